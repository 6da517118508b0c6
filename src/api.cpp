// SQL-callable entries: the door of every management function, and what it needs of C++.
// Scope: backends.
#include <cstdlib>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/manifest.h"
#include "pg/guard.h"
#include "pg/seal.h"

#include "pg/extension_state.h"
#include "pg/pg.h"
#include "pg/privacy.h"
#include "pg/request_slots.h"
#include "pg/shared_state.h"

namespace sequin {
namespace {

// Functions whose parameters may carry a secret.
constexpr const char *kSecretFunctions[] = {"create_credential", "update_credential",
                                            "create_sync",       "update_sync",
                                            "create_oauth_app",  "update_oauth_app"};

bool takes_secret(const char *name) {
	for (const char *function : kSecretFunctions)
		if (strcmp(function, name) == 0)
			return true;
	return false;
}

// jsonb as it is; text that begins with '{' is parsed, other text is an id.
Jsonb *params_of(FunctionCallInfo fcinfo, const char *name) {
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("parameters of sequin.%s must not be null", name)));
	Oid *types = nullptr;
	int count = 0;
	get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	if (types[0] == JSONBOID)
		return PG_GETARG_JSONB_P(0);
	char *argument = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *first = argument;
	while (*first == ' ' || *first == '\n' || *first == '\t')
		first++;
	if (*first == '{')
		return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(argument)));
	StringInfoData json;
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"id\": ");
	escape_json(&json, argument);
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

// Runs sequin._do_<name>(actor, params) as the extension's owner. An error restores the user by
// itself.
Datum run_as_owner(const char *name, Jsonb *params) {
	const Oid owner = pg::extension_owner();
	if (!OidIsValid(owner))
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"sequin\" does not exist")));
	Oid types[2] = {TEXTOID, JSONBOID};
	const Oid function = LookupFuncName(
		list_make2(makeString(pstrdup("sequin")), makeString(psprintf("_do_%s", name))), 2, types,
		false);
	const Datum actor = PointerGetDatum(cstring_to_text(GetUserNameFromId(GetUserId(), false)));
	Oid user;
	int context;
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
	const Datum result = OidFunctionCall2(function, actor, JsonbPGetDatum(params));
	SetUserIdAndSecContext(user, context);
	return result;
}

bytea *to_bytea(const std::string &bytes) {
	const char *data = bytes.data();
	const size_t size = bytes.size();
	return pg::call([data, size] {
		return reinterpret_cast<bytea *>(cstring_to_text_with_len(data, static_cast<int>(size)));
	});
}

std::string_view view_of(const text *value) {
	return {VARDATA_ANY(value), static_cast<size_t>(VARSIZE_ANY_EXHDR(value))};
}

}  // namespace

extern "C" {

SEQUIN_FUNCTION(sequin_call);
Datum sequin_call(PG_FUNCTION_ARGS) {
	const char *name = get_func_name(fcinfo->flinfo->fn_oid);
	Jsonb *params = params_of(fcinfo, name);
	if (takes_secret(name))
		pg::hide_secrets(fcinfo, name, params);
	return run_as_owner(name, params);
}

// Asks the engine: _ask_engine(request jsonb, what text, timeout_ms bigint) returns its answer. An
// answer
// {"error": {sqlstate, message, detail, hint}} is raised.
SEQUIN_FUNCTION(sequin_ask_engine);
Datum sequin_ask_engine(PG_FUNCTION_ARGS) {
	const char *request = JsonbToCString(nullptr, &PG_GETARG_JSONB_P(0)->root, 0);
	const char *what = text_to_cstring(PG_GETARG_TEXT_PP(1));
	pg::Posted posted = pg::post_request(request, strlen(request));
	Size size = 0;
	const char *answer = pg::wait_for_answer(&posted, PG_GETARG_INT64(2), what, &size);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(answer)));
}

SEQUIN_FUNCTION(sequin_require_workers);
Datum sequin_require_workers(PG_FUNCTION_ARGS) {
	if (!pg::is_preloaded())
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("sequin has no workers: its library was not loaded at server start"),
		     errhint("Add \"sequin\" to \"shared_preload_libraries\" and restart the server.")));
	PG_RETURN_VOID();
}

SEQUIN_FUNCTION(sequin_lacks_worker_slot);
Datum sequin_lacks_worker_slot(PG_FUNCTION_ARGS) {
	bool lacks = false;
	if (pg::is_preloaded()) {
		LWLockAcquire(pg::shared->lock, LW_SHARED);
		lacks = pg::shared->no_worker_slot && pg::engine_of(MyDatabaseId) == nullptr;
		LWLockRelease(pg::shared->lock);
	}
	PG_RETURN_BOOL(lacks);
}

SEQUIN_FUNCTION(sequin_changed);
Datum sequin_changed(PG_FUNCTION_ARGS) {
	pg::sync_changed_at_commit(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

SEQUIN_FUNCTION(sequin_extension_changed);
Datum sequin_extension_changed(PG_FUNCTION_ARGS) {
	pg::extension_changed_at_commit();
	PG_RETURN_VOID();
}

SEQUIN_FUNCTION(sequin_seal);
Datum sequin_seal(PG_FUNCTION_ARGS) {
	const text *place = PG_GETARG_TEXT_PP(0);
	const text *plain = PG_GETARG_TEXT_PP(1);
	PG_RETURN_BYTEA_P(
		pg::entry([place, plain] { return to_bytea(pg::seal(view_of(place), view_of(plain))); }));
}

// _rewrap(place, sealed): the same secret under the newest key.
SEQUIN_FUNCTION(sequin_rewrap);
Datum sequin_rewrap(PG_FUNCTION_ARGS) {
	const text *place = PG_GETARG_TEXT_PP(0);
	const bytea *sealed = PG_GETARG_BYTEA_PP(1);
	PG_RETURN_BYTEA_P(pg::entry([place, sealed] {
		return to_bytea(pg::seal(view_of(place), pg::unseal(view_of(place), view_of(sealed))));
	}));
}

// Puts a new key first in the key file.
SEQUIN_FUNCTION(sequin_add_key);
Datum sequin_add_key(PG_FUNCTION_ARGS) {
	pg::entry([] { pg::add_key(); });
	PG_RETURN_VOID();
}

SEQUIN_FUNCTION(sequin_keyed_hash);
Datum sequin_keyed_hash(PG_FUNCTION_ARGS) {
	const text *plain = PG_GETARG_TEXT_PP(0);
	PG_RETURN_BYTEA_P(pg::entry([plain] { return to_bytea(pg::keyed_hash(view_of(plain))); }));
}

SEQUIN_FUNCTION(sequin_env);
Datum sequin_env(PG_FUNCTION_ARGS) {
	const char *value = getenv(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (value == nullptr)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

// Raises 22023 or 22032; returns {"jsonpaths": [{place, path, predicate}]} for the server to check.
SEQUIN_FUNCTION(sequin_check_manifest);
Datum sequin_check_manifest(PG_FUNCTION_ARGS) {
	char *manifest = JsonbToCString(nullptr, &PG_GETARG_JSONB_P(0)->root, 0);
	return pg::entry([manifest] {
		const Manifest parsed = parse_manifest(manifest);
		Json paths = Json::array();
		for (const JsonPathUse &use : parsed.jsonpaths) {
			Json item = Json::object();
			item.set("place", Json::string(use.place));
			item.set("path", Json::string(use.path));
			item.set("predicate", Json::boolean(use.is_predicate));
			paths.append(item);
		}
		Json answer = Json::object();
		answer.set("jsonpaths", paths);
		const std::string text = answer.dump();
		const char *data = text.c_str();
		return pg::call([data] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(data)); });
	});
}

// The candidate nearest in spelling, or null if none is near.
SEQUIN_FUNCTION(sequin_nearest);
Datum sequin_nearest(PG_FUNCTION_ARGS) {
	text *word = PG_GETARG_TEXT_PP(0);
	Datum *candidates;
	int count;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &candidates,
	                  nullptr, &count);
	const int word_size = static_cast<int>(VARSIZE_ANY_EXHDR(word));
	int best_distance = word_size / 3 + 2;
	Datum best = 0;
	for (int i = 0; word_size <= 255 && i < count; i++) {
		text *candidate = DatumGetTextPP(candidates[i]);
		if (VARSIZE_ANY_EXHDR(candidate) > 255)
			continue;
		const int distance = varstr_levenshtein_less_equal(
			VARDATA_ANY(word), word_size, VARDATA_ANY(candidate),
			static_cast<int>(VARSIZE_ANY_EXHDR(candidate)), 1, 1, 1, best_distance, true);
		if (distance < best_distance) {
			best_distance = distance;
			best = candidates[i];
		}
	}
	if (best == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(best);
}

SEQUIN_FUNCTION(sequin_system);
Datum sequin_system(PG_FUNCTION_ARGS) {
	TupleDesc description;
	if (get_call_result_type(fcinfo, nullptr, &description) != TYPEFUNC_COMPOSITE)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("return type must be a row")));
	Datum values[3] = {Int64GetDatum(static_cast<int64>(GetSystemIdentifier())),
	                   ObjectIdGetDatum(MyDatabaseId),
	                   Int32GetDatum(static_cast<int32>(pg::current_timeline()))};
	bool nulls[3] = {false, false, false};
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

SEQUIN_FUNCTION(sequin_random_bits);
Datum sequin_random_bits(PG_FUNCTION_ARGS) {
	int64 bits;
	if (!pg_strong_random(&bits, sizeof bits))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random bytes")));
	PG_RETURN_INT64(bits);
}

}  // extern "C"
}  // namespace sequin
