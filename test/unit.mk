# Unit tests: src/core and src/http, which know no server, against GoogleTest.
# usage: make -f test/unit.mk [SANITIZE=1]     makes build/unit/run or build/unit-sanitized/run
ifdef SANITIZE
DIRECTORY := build/unit-sanitized
CHECKING := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
DIRECTORY := build/unit
CHECKING := -O1
endif

CXX := $(shell command -v ccache 2>/dev/null) g++
CXXFLAGS := -std=c++17 -g -Wall -Wextra -Wno-unused-parameter $(CHECKING) -Isrc -I. -MMD -MP
SOURCES := $(wildcard src/core/*.cpp src/http/*.cpp test/unit/*.cpp)
OBJECTS := $(SOURCES:%.cpp=$(DIRECTORY)/%.o)

$(DIRECTORY)/run: $(OBJECTS)
	$(CXX) $(CHECKING) -o $@ $^ -lgtest -lgtest_main -lcurl -ljansson -lssl -lcrypto -lpthread

$(DIRECTORY)/%.o: %.cpp test/unit.mk
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -c -o $@ $<

-include $(OBJECTS:.o=.d)
