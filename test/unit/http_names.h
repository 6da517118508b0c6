// Host names for the tests of the transport: getaddrinfo() of this program asks here, so that no
// lookup leaves the machine and a lookup can hang. Without a Names every name is unknown.
// Scope: unit tests; one Names at a time.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace sequin::http {

class Names final {
public:
	Names();
	~Names();  // ends what hangs, and waits until no lookup is under way
	Names(const Names &) = delete;
	Names &operator=(const Names &) = delete;

	void add(const std::string &name, const std::vector<std::string> &addresses);
	void hang(const std::string &name);  // does not answer until the end
	int looking_up();

	// For getaddrinfo(): false if the name is unknown.
	static bool resolve(const std::string &name, std::vector<std::string> *addresses);

private:
	bool wait_and_find(const std::string &name, std::vector<std::string> *addresses);

	std::mutex mutex_;
	std::condition_variable changed_;
	std::map<std::string, std::vector<std::string>> known_;  // no addresses: hangs
	int looking_up_ = 0;
	bool is_ending_ = false;
};

}  // namespace sequin::http
