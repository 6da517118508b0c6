// A small HTTP server on loopback for the tests of the transport, as well or as badly behaved as
// a test wants it: one thread accepts, one thread per connection runs the test's handler.
// Scope: unit tests.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/transport.h"

namespace sequin::http {

struct Seen {  // a request as it arrived
	std::string method, target, body;
	Headers headers;     // names lower-cased
	int connection = 0;  // of the server, counted from 1

	const std::string *header(std::string_view name) const;
};

// The server's end of one connection. Nothing here raises: a client that went away is no error.
class Peer final {
public:
	Peer(int socket, int number, SSL_CTX *tls);

	// Nothing: the client closed, or does not speak HTTP.
	std::optional<Seen> read_request();
	bool write(std::string_view bytes);  // false: the client closed
	bool drip(std::string_view bytes, int every_ms);
	bool hang();                    // says nothing until the client gives up; false
	bool reset();                   // the connection ends with RST; false
	bool wait_for(int descriptor);  // until it is readable; false: the client closed

private:
	bool read_more();

	int socket_, number_;
	std::unique_ptr<SSL, void (*)(SSL *)> tls_{nullptr, SSL_free};
	std::string unread_;
};

using Handler = std::function<bool(const Seen &, Peer &)>;  // false: close the connection

class HttpServer final {
public:
	explicit HttpServer(Handler handler, const char *address = "127.0.0.1", SSL_CTX *tls = nullptr);
	~HttpServer();
	HttpServer(const HttpServer &) = delete;
	HttpServer &operator=(const HttpServer &) = delete;

	int port() const { return port_; }
	std::string url(std::string_view target = "/", std::string_view host = {}) const;
	std::vector<Seen> seen() const;
	size_t seen_count() const;
	int accepted() const { return accepted_; }
	int open() const { return open_; }
	int most_open() const { return most_open_; }

private:
	struct Connection {
		int socket;
		std::thread thread;
	};
	void accept_all();
	void serve(Connection &connection, int number);

	Handler handler_;
	std::string address_;
	SSL_CTX *tls_;
	int listener_ = -1, port_ = 0;
	std::atomic<int> accepted_{0}, open_{0}, most_open_{0};
	mutable std::mutex mutex_;  // of what follows
	std::vector<Seen> seen_;
	std::list<Connection> connections_;
	bool is_ending_ = false;
	std::thread acceptor_;
};

// Answers wait until the test opens the gate.
class Gate final {
public:
	Gate();
	~Gate();
	Gate(const Gate &) = delete;
	Gate &operator=(const Gate &) = delete;
	void open();
	Handler handler() const;  // answers with the request's target

private:
	int event_;
};

// A port of 127.0.0.1 at which nobody answers: connections are refused, or never accepted.
class QuietPort final {
public:
	enum class Manner { kRefuses, kIgnores };
	explicit QuietPort(Manner manner);
	~QuietPort();
	QuietPort(const QuietPort &) = delete;
	QuietPort &operator=(const QuietPort &) = delete;
	std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

private:
	std::vector<int> sockets_;
	int port_ = 0;
};

// A whole answer with Content-Length; `headers` are lines that end with \r\n.
std::string answer(std::string_view body, std::string_view headers = {},
                   std::string_view status = "200 OK");
Handler always(std::string bytes);           // keeps the connection
Handler then_close(std::string bytes);       // closes after them
std::string gzip_of_blanks(size_t count);    // 158 to 1
std::string chunked(std::string_view body);  // one chunk and the end

}  // namespace sequin::http
