// A self-signed certificate for the tests of TLS, made anew each time.
// Scope: unit tests.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace sequin::http {

class Certificate final {
public:
	explicit Certificate(const std::string &host);
	~Certificate();
	Certificate(const Certificate &) = delete;
	Certificate &operator=(const Certificate &) = delete;

	SSL_CTX *server() const { return server_.get(); }
	const std::string &file() const { return file_; }  // PEM, for who trusts it

private:
	std::unique_ptr<SSL_CTX, void (*)(SSL_CTX *)> server_;
	std::string file_;
};

}  // namespace sequin::http
