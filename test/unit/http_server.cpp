// A server for the tests of the transport. See http_server.h.
// Scope: unit tests.
#include "test/unit/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace sequin::http {
namespace {

std::string lower(std::string_view text) {
	std::string out(text);
	std::transform(out.begin(), out.end(), out.begin(),
	               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
	return out;
}

int bound_socket(const char *address, int *port) {
	sockaddr_in name{};
	name.sin_family = AF_INET;
	inet_pton(AF_INET, address, &name.sin_addr);
	socklen_t size = sizeof name;
	const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, reinterpret_cast<sockaddr *>(&name), sizeof name) != 0 ||
	    getsockname(listener, reinterpret_cast<sockaddr *>(&name), &size) != 0)
		throw std::runtime_error("could not bind a port of loopback");
	*port = ntohs(name.sin_port);
	return listener;
}

Seen parse_head(std::string_view head) {
	Seen seen;
	const size_t first = head.find(' '), second = head.find(' ', first + 1);
	seen.method = head.substr(0, first);
	seen.target = head.substr(first + 1, second - first - 1);
	for (size_t at = head.find("\r\n"); at != std::string_view::npos;) {
		const size_t next = head.find("\r\n", at + 2);
		const std::string_view line = head.substr(at + 2, next - at - 2);
		at = next;
		const size_t colon = line.find(':');
		if (colon == std::string_view::npos)
			continue;
		const size_t value = line.find_first_not_of(' ', colon + 1);
		seen.headers.emplace_back(
			lower(line.substr(0, colon)),
			std::string(value == std::string_view::npos ? "" : line.substr(value)));
	}
	return seen;
}

class BitWriter final {
public:
	void low_first(unsigned bits, int count) {
		for (int i = 0; i < count; ++i)
			put(bits >> i & 1);
	}
	void high_first(unsigned bits, int count) {
		for (int i = count - 1; i >= 0; --i)
			put(bits >> i & 1);
	}
	std::string bytes;

private:
	void put(unsigned bit) {
		if (used_ == 0)
			bytes += '\0';
		bytes.back() = static_cast<char>(bytes.back() | bit << used_);
		used_ = (used_ + 1) % 8;
	}
	int used_ = 0;
};

uint32_t crc_of_blanks(size_t count) {
	uint32_t crc = 0xFFFFFFFF;
	for (size_t i = 0; i < count; ++i) {
		crc ^= ' ';
		for (int bit = 0; bit < 8; ++bit)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	}
	return ~crc;
}

}  // namespace

const std::string *Seen::header(std::string_view name) const {
	for (const auto &[key, value] : headers)
		if (key == name)
			return &value;
	return nullptr;
}

Peer::Peer(int socket, int number, SSL_CTX *tls) : socket_(socket), number_(number) {
	if (tls == nullptr)
		return;
	tls_.reset(SSL_new(tls));
	SSL_set_fd(tls_.get(), socket);
	SSL_accept(tls_.get());
}

bool Peer::read_more() {
	char buffer[16384];
	const ssize_t count = tls_ ? SSL_read(tls_.get(), buffer, sizeof buffer)
	                           : recv(socket_, buffer, sizeof buffer, 0);
	if (count <= 0)
		return false;
	unread_.append(buffer, static_cast<size_t>(count));
	return true;
}

std::optional<Seen> Peer::read_request() {
	size_t end;
	while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
		if (!read_more() || unread_.front() < 'A')
			return {};
	Seen seen = parse_head(std::string_view(unread_).substr(0, end));
	seen.connection = number_;
	unread_.erase(0, end + 4);
	const std::string *length = seen.header("content-length");
	const size_t size = length ? static_cast<size_t>(std::atoll(length->c_str())) : 0;
	while (unread_.size() < size)
		if (!read_more())
			return {};
	seen.body = unread_.substr(0, size);
	unread_.erase(0, size);
	return seen;
}

bool Peer::write(std::string_view bytes) {
	while (!bytes.empty()) {
		const ssize_t count =
			tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
				 : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
		if (count <= 0)
			return false;
		bytes.remove_prefix(static_cast<size_t>(count));
	}
	return true;
}

bool Peer::drip(std::string_view bytes, int every_ms) {
	for (; !bytes.empty(); bytes.remove_prefix(1)) {
		pollfd closed{socket_, POLLIN, 0};
		if (!write(bytes.substr(0, 1)) || poll(&closed, 1, every_ms) != 0)
			return false;
	}
	return true;
}

bool Peer::hang() {
	while (read_more())
		unread_.clear();
	return false;
}

bool Peer::reset() {
	const linger at_once{1, 0};
	setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	return false;
}

bool Peer::wait_for(int descriptor) {
	pollfd either[] = {{descriptor, POLLIN, 0}, {socket_, POLLIN, 0}};
	poll(either, 2, -1);
	return either[0].revents != 0;
}

Gate::Gate() : event_(eventfd(0, EFD_CLOEXEC)) {}

Gate::~Gate() {
	close(event_);
}

void Gate::open() {
	eventfd_write(event_, 1);
}

Handler Gate::handler() const {
	return [this](const Seen &seen, Peer &peer) {
		return peer.wait_for(event_) && peer.write(answer(seen.target));
	};
}

HttpServer::HttpServer(Handler handler, const char *address, SSL_CTX *tls)
	: handler_(std::move(handler)), address_(address), tls_(tls) {
	if (tls != nullptr)
		signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
	listener_ = bound_socket(address, &port_);
	if (listen(listener_, 512) != 0)
		throw std::runtime_error("could not listen on loopback");
	acceptor_ = std::thread([this] { accept_all(); });
}

HttpServer::~HttpServer() {
	{
		const std::lock_guard<std::mutex> lock(mutex_);
		is_ending_ = true;
		for (Connection &connection : connections_)
			shutdown(connection.socket, SHUT_RDWR);
	}
	shutdown(listener_, SHUT_RDWR);
	acceptor_.join();
	for (Connection &connection : connections_) {
		connection.thread.join();
		close(connection.socket);
	}
	close(listener_);
}

void HttpServer::accept_all() {
	for (;;) {
		const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
		if (socket < 0)
			return;
		const int at_once = 1;
		setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
		const std::lock_guard<std::mutex> lock(mutex_);
		if (is_ending_) {
			close(socket);
			return;
		}
		const int number = ++accepted_;
		most_open_ = std::max<int>(most_open_, ++open_);
		Connection &connection = connections_.emplace_back(Connection{socket, {}});
		connection.thread = std::thread([this, &connection, number] { serve(connection, number); });
	}
}

void HttpServer::serve(Connection &connection, int number) {
	Peer peer(connection.socket, number, tls_);
	while (std::optional<Seen> seen = peer.read_request()) {
		{
			const std::lock_guard<std::mutex> lock(mutex_);
			seen_.push_back(*seen);
		}
		if (!handler_(*seen, peer))
			break;
	}
	--open_;
	// The number stays taken until the end, so that a shutdown never meets another connection; a
	// socket in its place ends this one for the client.
	const int nobody = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const std::lock_guard<std::mutex> lock(mutex_);
	dup3(nobody, connection.socket, O_CLOEXEC);
	close(nobody);
}

std::string HttpServer::url(std::string_view target, std::string_view host) const {
	return "http://" + (host.empty() ? address_ : std::string(host)) + ":" + std::to_string(port_) +
	       std::string(target);
}

std::vector<Seen> HttpServer::seen() const {
	const std::lock_guard<std::mutex> lock(mutex_);
	return seen_;
}

size_t HttpServer::seen_count() const {
	const std::lock_guard<std::mutex> lock(mutex_);
	return seen_.size();
}

QuietPort::QuietPort(Manner manner) {
	sockets_.push_back(bound_socket("127.0.0.1", &port_));
	if (manner == Manner::kRefuses)
		return;
	// A full queue of connections not yet accepted: the kernel ignores who comes next.
	listen(sockets_.front(), 0);
	sockaddr_in name{};
	name.sin_family = AF_INET;
	name.sin_port = htons(static_cast<uint16_t>(port_));
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 4; ++i) {
		sockets_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
		connect(sockets_.back(), reinterpret_cast<sockaddr *>(&name), sizeof name);
	}
}

QuietPort::~QuietPort() {
	for (int socket : sockets_)
		close(socket);
}

std::string answer(std::string_view body, std::string_view headers, std::string_view status) {
	return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(headers) +
	       "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

Handler always(std::string bytes) {
	return [bytes = std::move(bytes)](const Seen &, Peer &peer) { return peer.write(bytes); };
}

Handler then_close(std::string bytes) {
	return [bytes = std::move(bytes)](const Seen &, Peer &peer) {
		peer.write(bytes);
		return false;
	};
}

std::string gzip_of_blanks(size_t count) {
	// One deflate block with the fixed codes: a blank, then "258 bytes from 1 byte back" for ever.
	count = 1 + (count + 257) / 258 * 258;
	BitWriter writer;
	writer.bytes.assign("\x1F\x8B\x08\0\0\0\0\0\0\xFF", 10);
	writer.low_first(1, 1);
	writer.low_first(1, 2);
	writer.high_first(0x30 + ' ', 8);
	for (size_t done = 1; done < count; done += 258) {
		writer.high_first(0xC5, 8);
		writer.high_first(0, 5);
	}
	writer.high_first(0, 7);
	std::string bytes = std::move(writer.bytes);
	for (const uint32_t number : {crc_of_blanks(count), static_cast<uint32_t>(count)})
		for (int shift = 0; shift < 32; shift += 8)
			bytes += static_cast<char>(number >> shift & 0xFF);
	return bytes;
}

std::string chunked(std::string_view body) {
	char size[32];
	std::snprintf(size, sizeof size, "%zx\r\n", body.size());
	return size + std::string(body) + "\r\n0\r\n\r\n";
}

}  // namespace sequin::http
