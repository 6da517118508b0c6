// A stand-in for the resolver. See http_names.h.
// Scope: unit tests.
#include "test/unit/http_names.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>

#include <algorithm>
#include <cctype>

namespace sequin::http {
namespace {

std::mutex current_mutex;
Names *current = nullptr;

}  // namespace

Names::Names() {
	const std::lock_guard<std::mutex> lock(current_mutex);
	current = this;
}

Names::~Names() {
	{
		const std::lock_guard<std::mutex> lock(current_mutex);
		current = nullptr;
	}
	std::unique_lock<std::mutex> lock(mutex_);
	is_ending_ = true;
	changed_.notify_all();
	changed_.wait(lock, [this] { return looking_up_ == 0; });
}

void Names::add(const std::string &name, const std::vector<std::string> &addresses) {
	const std::lock_guard<std::mutex> lock(mutex_);
	known_[name] = addresses;
}

void Names::hang(const std::string &name) {
	add(name, {});
}

int Names::looking_up() {
	const std::lock_guard<std::mutex> lock(mutex_);
	return looking_up_;
}

bool Names::wait_and_find(const std::string &name, std::vector<std::string> *addresses) {
	std::unique_lock<std::mutex> lock(mutex_, std::adopt_lock);
	const auto it = known_.find(name);
	if (it != known_.end())
		*addresses = it->second;
	if (it != known_.end() && addresses->empty())
		changed_.wait(lock, [this] { return is_ending_; });
	--looking_up_;
	changed_.notify_all();
	return !addresses->empty();
}

bool Names::resolve(const std::string &name, std::vector<std::string> *addresses) {
	std::unique_lock<std::mutex> lock(current_mutex);
	Names *const names = current;
	if (names == nullptr)
		return false;
	names->mutex_.lock();
	++names->looking_up_;  // from here on the destructor waits
	lock.unlock();
	return names->wait_and_find(name, addresses);
}

}  // namespace sequin::http

static std::string canonical(std::string name) {
	std::transform(name.begin(), name.end(), name.begin(),
	               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
	if (!name.empty() && name.back() == '.')
		name.pop_back();
	return name;
}

// In place of libc's, for libcurl too: the linker looks here first.
extern "C" int getaddrinfo(const char *node, const char *service, const addrinfo *hints,
                           addrinfo **result) {
	using Function = int (*)(const char *, const char *, const addrinfo *, addrinfo **);
	static const auto original = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
	std::vector<std::string> addresses;
	if (node == nullptr || !sequin::http::Names::resolve(canonical(node), &addresses))
		return EAI_NONAME;
	addrinfo literal = hints ? *hints : addrinfo{};
	literal.ai_flags = AI_NUMERICHOST;
	addrinfo **end = result;
	*result = nullptr;
	for (const std::string &address : addresses) {
		if (original(address.c_str(), service, &literal, end) != 0)
			*end = nullptr;  // of the other family
		while (*end)
			end = &(*end)->ai_next;
	}
	return *result ? 0 : EAI_NONAME;
}
