// Sealing of secrets. See seal.h.
// Scope: backends and engines. C++ regime.
#include "pg/seal.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <vector>

#include "core/error.h"

#include "pg/pg.h"
#include "pg/settings.h"

namespace sequin::pg {
namespace {

constexpr size_t kKeySize = 32, kIdSize = 8, kIvSize = 12, kTagSize = 16;
constexpr size_t kHeaderSize = 1 + kIdSize + kIvSize + kTagSize;

// Closes on scope end; wipes nothing by itself.
class File {
public:
	explicit File(int descriptor) noexcept : descriptor_(descriptor) {}
	~File() {
		if (descriptor_ >= 0)
			::close(descriptor_);
	}
	File(const File &) = delete;
	File &operator=(const File &) = delete;
	int get() const noexcept { return descriptor_; }

private:
	int descriptor_;
};

[[noreturn]] void fail(const std::string &what, const std::string &path, const char *hint) {
	const int number = errno;
	throw Error(
		"58030", what,
		"File \"" + path + "\"" + (number ? std::string(": ") + strerror(number) : "") + ".", hint);
}

std::string real_path(const std::string &path) {
	char resolved[PATH_MAX];
	return realpath(path.c_str(), resolved) ? resolved : path;
}

void refuse_inside_data_directory(const std::string &path) {
	const size_t slash = path.rfind('/');
	const std::string directory =
		real_path(slash == std::string::npos ? "." : path.substr(0, slash + 1));
	const std::string data = real_path(DataDir);
	if (directory == data || directory.compare(0, data.size() + 1, data + "/") == 0)
		throw Error("55000", "the key file may not lie inside the data directory",
		            "File \"" + path + "\".",
		            "Set \"sequin.key_file\" to a path outside it; a key inside would be in every "
		            "base backup.");
}

std::string hex(const unsigned char *bytes, size_t size) {
	static constexpr char kDigits[] = "0123456789abcdef";
	std::string text;
	for (size_t i = 0; i < size; i++) {
		text += kDigits[bytes[i] >> 4];
		text += kDigits[bytes[i] & 15];
	}
	return text;
}

std::string new_key_line() {
	unsigned char key[kKeySize];
	if (RAND_bytes(key, kKeySize) != 1)
		throw Error("58000", "could not get random bytes for a key");
	std::string line = hex(key, kKeySize) + "\n";
	OPENSSL_cleanse(key, kKeySize);
	return line;
}

// Writes a whole new file beside the old one and moves it into place, so that a crash leaves one of
// both.
void write_file(const std::string &path, const std::string &content) {
	const std::string fresh = path + "." + std::to_string(getpid());
	{
		File file(
			::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
		if (file.get() < 0 ||
		    ::write(file.get(), content.data(), content.size()) !=
		        static_cast<ssize_t>(content.size()) ||
		    ::fsync(file.get()) != 0) {
			::unlink(fresh.c_str());
			fail("could not write the key file", path,
			     "Make its directory writable by the server's user, or set \"sequin.key_file\".");
		}
	}
	if (::rename(fresh.c_str(), path.c_str()) != 0)
		fail("could not put the key file in place", path, "Check its directory.");
}

// First use: whoever links the file first wins; the others read what is there.
void make_file(const std::string &path) {
	const std::string fresh = path + "." + std::to_string(getpid()) + ".new";
	write_file(fresh, new_key_line());
	const bool linked = ::link(fresh.c_str(), path.c_str()) == 0 || errno == EEXIST;
	::unlink(fresh.c_str());
	if (!linked)
		fail("could not make the key file", path, "Check its directory.");
}

std::string read_file(const std::string &path) {
	File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
	struct stat status;
	if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
		fail("could not open the key file", path,
		     "Bring the key file of the server that sealed the secrets, as you would a TLS key, or "
		     "correct \"sequin.key_file\".");
	errno = 0;
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		fail("the key file must be a regular file, owned by the server's user and readable by "
		     "nobody else",
		     path, "Run chown and chmod 600 on it.");
	std::string content(64 * 1024, '\0');
	const ssize_t size = ::read(file.get(), content.data(), content.size());
	if (size < 0)
		fail("could not read the key file", path, "Check the file.");
	content.resize(static_cast<size_t>(size));
	return content;
}

int digit(char c) noexcept {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

std::vector<std::string> keys(bool may_make) {
	const std::string path = key_file_path();
	refuse_inside_data_directory(path);
	if (may_make && ::access(path.c_str(), F_OK) != 0 && errno == ENOENT)
		make_file(path);
	std::string content = read_file(path);
	std::vector<std::string> found;
	for (size_t start = 0; start < content.size();) {
		size_t end = content.find('\n', start);
		if (end == std::string::npos)
			end = content.size();
		std::string key;
		if (end - start == 2 * kKeySize)
			for (size_t i = start; i < end; i += 2)
				if (digit(content[i]) >= 0 && digit(content[i + 1]) >= 0)
					key += static_cast<char>(digit(content[i]) << 4 | digit(content[i + 1]));
		if (key.size() != kKeySize) {
			errno = 0;
			fail("the key file is damaged", path,
			     "Each line must be 64 hexadecimal digits in lower case.");
		}
		found.push_back(key);
		start = end + 1;
	}
	OPENSSL_cleanse(content.data(), content.size());
	errno = 0;
	if (found.empty())
		fail("the key file is empty", path, "Bring it back from where it was kept.");
	return found;
}

std::string key_id(const std::string &key) {
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	EVP_Digest(key.data(), key.size(), digest, &size, EVP_sha256(), nullptr);
	return std::string(reinterpret_cast<char *>(digest), kIdSize);
}

struct ContextDeleter {
	void operator()(EVP_CIPHER_CTX *context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter>;

unsigned char *bytes(std::string &text) {
	return reinterpret_cast<unsigned char *>(text.data());
}
const unsigned char *bytes(std::string_view text) {
	return reinterpret_cast<const unsigned char *>(text.data());
}

[[noreturn]] void fail_cipher(const char *what) {
	ERR_clear_error();
	throw Error("58000", what);
}

}  // namespace

std::string key_file_path() {
	if (settings.key_file && settings.key_file[0])
		return settings.key_file;
	std::string path = DataDir;
	while (path.size() > 1 && path.back() == '/')
		path.pop_back();
	return path + ".sequin-key";
}

std::string seal(std::string_view place, std::string_view plain) {
	const std::string key = keys(true).front();
	std::string sealed(kHeaderSize + plain.size(), '\0');
	sealed[0] = 1;
	key_id(key).copy(sealed.data() + 1, kIdSize);
	unsigned char *iv = bytes(sealed) + 1 + kIdSize;
	unsigned char *tag = iv + kIvSize;
	unsigned char *out = tag + kTagSize;
	int size = 0;
	Context context(EVP_CIPHER_CTX_new());
	if (!context || RAND_bytes(iv, kIvSize) != 1 ||
	    EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes(std::string_view(key)),
	                       iv) != 1 ||
	    EVP_EncryptUpdate(context.get(), nullptr, &size, bytes(place),
	                      static_cast<int>(place.size())) != 1 ||
	    EVP_EncryptUpdate(context.get(), out, &size, bytes(plain),
	                      static_cast<int>(plain.size())) != 1 ||
	    EVP_EncryptFinal_ex(context.get(), out + size, &size) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, tag) != 1)
		fail_cipher("could not seal a secret");
	return sealed;
}

std::string unseal(std::string_view place, std::string_view sealed) {
	if (sealed.size() < kHeaderSize || sealed[0] != 1)
		throw Error("XX001", "a sealed secret is damaged");
	const std::string_view id = sealed.substr(1, kIdSize);
	for (const std::string &key : keys(false)) {
		if (key_id(key) != id)
			continue;
		const unsigned char *iv = bytes(sealed) + 1 + kIdSize;
		std::string tag(sealed.substr(1 + kIdSize + kIvSize, kTagSize));
		const std::string_view in = sealed.substr(kHeaderSize);
		std::string plain(in.size(), '\0');
		int size = 0;
		Context context(EVP_CIPHER_CTX_new());
		if (!context ||
		    EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr,
		                       bytes(std::string_view(key)), iv) != 1 ||
		    EVP_DecryptUpdate(context.get(), nullptr, &size, bytes(place),
		                      static_cast<int>(place.size())) != 1 ||
		    EVP_DecryptUpdate(context.get(), bytes(plain), &size, bytes(in),
		                      static_cast<int>(in.size())) != 1 ||
		    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) != 1 ||
		    EVP_DecryptFinal_ex(context.get(), bytes(plain) + size, &size) != 1)
			fail_cipher("a sealed secret does not open: it was changed or moved");
		return plain;
	}
	throw Error("55000", "the key that sealed a secret is not in the key file",
	            "File \"" + key_file_path() + "\".",
	            "Add the line with that key, or replace the secret by sequin.update_credential().");
}

std::string keyed_hash(std::string_view text) {
	const std::string key = keys(true).back();  // the oldest: hashes stay equal when keys are added
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(text), text.size(),
	          digest, &size))
		fail_cipher("could not hash a secret");
	return std::string(reinterpret_cast<char *>(digest), size);
}

void add_key() {
	const std::string path = key_file_path();
	keys(true);
	write_file(path, new_key_line() + read_file(path));
}

}  // namespace sequin::pg
