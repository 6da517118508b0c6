// Sealing of secrets: AES-256-GCM under the key file, bound to the place where the ciphertext lies.
// Scope: backends and engines. C++ regime; no server call but the reading of settings.
//
// The key file holds one or more keys, newest first, one per line: 64 hexadecimal digits. It is
// made on first use, 0600, and must lie outside the data directory, be owned by the server's user
// and be readable by nobody else. A sealed value: version 1 (1 byte), first 8 bytes of the key's
// SHA-256, IV (12), tag (16), ciphertext.
#pragma once

#include <string>
#include <string_view>

namespace sequin::pg {

// The configured path, or the data directory's path with ".sequin-key" appended.
std::string key_file_path();

// `place` binds the ciphertext: it opens only for the same place. Throws Error 58030 if the key
// file cannot be read or made, with a hint.
std::string seal(std::string_view place, std::string_view plain);
std::string unseal(std::string_view place,
                   std::string_view sealed);  // and 55000: key not in the file

// HMAC-SHA-256 under the key: equal for equal texts, says nothing without the key.
std::string keyed_hash(std::string_view text);

// Puts a new key first in the file; older ones stay. Values sealed before stay readable.
void add_key();

}  // namespace sequin::pg
