// SQL-callable: the id of a record, a uuid of version 5 made of the ids of its sync, its collection
// and the API's own. The namespace and the way the three are joined never change: ids are kept by
// others. Scope: backends and engines. Server regime: no object with a destructor.
#include "pg/pg.h"

extern "C" {
#include "common/cryptohash.h"
#include "common/sha1.h"
}

namespace {

constexpr unsigned char kNamespace[16] = {0x1d, 0x0c, 0x5e, 0x3b, 0x52, 0x9f, 0x4a, 0x57,
                                          0x9a, 0x6e, 0x6b, 0x2f, 0xd3, 0x84, 0xc1, 0x70};

void fail() {
	ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute SHA-1")));
}

// Each part is followed by a zero byte, which no text contains: two different triples never join
// alike.
void add(pg_cryptohash_ctx *hash, const text *part) {
	const uint8 end = 0;
	if (pg_cryptohash_update(hash, reinterpret_cast<const uint8 *>(VARDATA_ANY(part)),
	                         VARSIZE_ANY_EXHDR(part)) < 0 ||
	    pg_cryptohash_update(hash, &end, 1) < 0)
		fail();
}

}  // namespace

extern "C" {

SEQUIN_FUNCTION(sequin_record_id);
Datum sequin_record_id(PG_FUNCTION_ARGS) {
	const text *parts[3] = {PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1), PG_GETARG_TEXT_PP(2)};
	unsigned char digest[SHA1_DIGEST_LENGTH];
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA1);
	if (pg_cryptohash_init(hash) < 0 ||
	    pg_cryptohash_update(hash, kNamespace, sizeof kNamespace) < 0)
		fail();
	for (const text *part : parts)
		add(hash, part);
	if (pg_cryptohash_final(hash, digest, sizeof digest) < 0)
		fail();
	pg_cryptohash_free(hash);

	pg_uuid_t *uuid = static_cast<pg_uuid_t *>(palloc(sizeof(pg_uuid_t)));
	memcpy(uuid->data, digest, sizeof uuid->data);
	uuid->data[6] = static_cast<unsigned char>((uuid->data[6] & 0x0F) | 0x50);
	uuid->data[8] = static_cast<unsigned char>((uuid->data[8] & 0x3F) | 0x80);
	PG_RETURN_UUID_P(uuid);
}
}
