// A certificate for the tests of TLS. See http_certificate.h.
// Scope: unit tests.
#include "test/unit/http_certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace sequin::http {

Certificate::Certificate(const std::string &host)
	: server_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
	const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY *)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
	const std::unique_ptr<X509, void (*)(X509 *)> made(X509_new(), X509_free);
	X509 *certificate = made.get();
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_set_version(certificate, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key.get());
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	                           reinterpret_cast<const unsigned char *>(host.c_str()), -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	const std::string names = "DNS:" + host;
	const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION *)> extension(
		X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()),
		X509_EXTENSION_free);
	X509_add_ext(certificate, extension.get(), -1);
	if (X509_sign(certificate, key.get(), EVP_sha256()) == 0 ||
	    SSL_CTX_use_certificate(server_.get(), certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(server_.get(), key.get()) != 1)
		throw std::runtime_error("could not make a certificate");
	char path[] = "/tmp/sequin-certificate-XXXXXX";
	const int descriptor = mkstemp(path);
	FILE *file = fdopen(descriptor, "w");
	if (file == nullptr || PEM_write_X509(file, certificate) != 1)
		throw std::runtime_error("could not write a certificate");
	fclose(file);
	file_ = path;
}

Certificate::~Certificate() {
	unlink(file_.c_str());
}

}  // namespace sequin::http
