// Keeps secrets that come as arguments out of sight. See privacy.h.
// Scope: backends. Server regime: no object with a destructor in this file.
#include "pg/privacy.h"

#include <cctype>

#include "pg/extension_state.h"

namespace sequin::pg {
namespace {

constexpr size_t kShortestSecret = 6;

// The text shown instead of the statement now running; a second such call finds it there.
const char *shown_text = nullptr;

// Members that are never secret; every other text of a credential may be one.
constexpr const char *kOpenMembers[] = {
	"id",         "provider",    "kind",           "name",           "oauth_app_id",
	"base_url",   "external_id", "metadata",       "collection_ids", "sync_frequency",
	"rate_limit", "settings",    "exclude_fields", "credential_id",  "stream_id",
	"org_id",     "status"};

bool is_open(const char *name, int size) {
	for (const char *open : kOpenMembers)
		if (static_cast<int>(strlen(open)) == size && strncmp(open, name, size) == 0)
			return true;
	return false;
}

// Collects texts that may be secrets: of the object itself, `properties` and `credential`.
List *possible_secrets(JsonbContainer *container, List *found) {
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbValue key, value;
	JsonbIteratorToken token = JsonbIteratorNext(&iterator, &key, true);
	if (token != WJB_BEGIN_OBJECT)
		return found;
	while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY) {
		JsonbIteratorNext(&iterator, &value, true);
		const char *name = key.val.string.val;
		const int size = key.val.string.len;
		if (value.type == jbvString &&
		    static_cast<size_t>(value.val.string.len) >= kShortestSecret && !is_open(name, size))
			found = lappend(found, pnstrdup(value.val.string.val, value.val.string.len));
		else if (value.type == jbvBinary && ((size == 10 && strncmp(name, "properties", 10) == 0) ||
		                                     (size == 10 && strncmp(name, "credential", 10) == 0)))
			found = possible_secrets(value.val.binary.data, found);
	}
	return found;
}

// The longest part that no quoting changes: a statement's text may hold the rest escaped.
const char *plain_part(const char *secret) {
	const char *best = secret;
	size_t best_size = 0;
	for (const char *at = secret; *at != '\0';) {
		size_t size = 0;
		while (isalnum(static_cast<unsigned char>(at[size])) ||
		       (at[size] != '\0' && strchr("_-.+/=", at[size])))
			size++;
		if (size > best_size) {
			best = at;
			best_size = size;
		}
		at += size > 0 ? size : 1;
	}
	return best_size >= kShortestSecret ? pnstrdup(best, best_size) : secret;
}

bool contains_any(const char *text, List *secrets) {
	if (text == nullptr)
		return false;
	ListCell *cell;
	foreach (cell, secrets)
		if (strstr(text, plain_part(static_cast<char *>(lfirst(cell)))) != nullptr)
			return true;
	return false;
}

bool is_bound(List *secrets) {
	ParamListInfo parameters = ActivePortal ? ActivePortal->portalParams : nullptr;
	for (int i = 0; parameters != nullptr && i < parameters->numParams; i++) {
		ParamExternData *parameter = &parameters->params[i];
		if (parameter->isnull || !OidIsValid(parameter->ptype))
			continue;
		Oid output;
		bool is_varlena;
		getTypeOutputInfo(parameter->ptype, &output, &is_varlena);
		if (contains_any(OidOutputFunctionCall(output, parameter->value), secrets))
			return true;
	}
	return false;
}

bool is_in_constant(const Const *constant, List *secrets) {
	if (constant->constisnull || !OidIsValid(constant->consttype))
		return false;
	Oid output;
	bool is_varlena;
	getTypeOutputInfo(constant->consttype, &output, &is_varlena);
	return contains_any(OidOutputFunctionCall(output, constant->constvalue), secrets);
}

// Looks through what the named forms of our functions are made of, and through casts.
bool has_constant(Node *node, List *secrets) {
	List *arguments = NIL;
	if (node == nullptr)
		return false;
	if (IsA(node, Const))
		return is_in_constant(reinterpret_cast<Const *>(node), secrets);
	if (IsA(node, RelabelType))
		return has_constant(reinterpret_cast<Node *>(reinterpret_cast<RelabelType *>(node)->arg),
		                    secrets);
	if (IsA(node, CoerceViaIO))
		return has_constant(reinterpret_cast<Node *>(reinterpret_cast<CoerceViaIO *>(node)->arg),
		                    secrets);
	if (IsA(node, FuncExpr))
		arguments = reinterpret_cast<FuncExpr *>(node)->args;
	if (IsA(node, OpExpr))
		arguments = reinterpret_cast<OpExpr *>(node)->args;
	ListCell *cell;
	foreach (cell, arguments)
		if (has_constant(static_cast<Node *>(lfirst(cell)), secrets))
			return true;
	return false;
}

// Whether a function's code holds the secret. A statement of PL/pgSQL shows itself in the context.
// Else a constant is a literal, or a bound parameter, unless a variable of PL/pgSQL may stand
// behind it: then the context has more than one line.
bool is_in_code(FunctionCallInfo fcinfo, List *secrets) {
	const char *context = GetErrorContextStack();
	if (contains_any(context, secrets))
		return true;
	if (context != nullptr && strchr(context, '\n') != nullptr)
		return false;
	return has_constant(fcinfo->flinfo->fn_expr, secrets) && !is_bound(secrets);
}

[[noreturn]] void refuse(const char *function_name) {
	error_context_stack = nullptr;  // it would quote the statement; whoever catches puts it back
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	                errmsg("cannot hide the secret passed to sequin.%s as a literal inside DO, "
	                       "CALL or a function",
	                       function_name),
	                errhint("Call it in a plain SELECT, pass the secret as a bind parameter, or as "
	                        "{\"from_file\": path}.")));
}

}  // namespace

void hide_secrets(FunctionCallInfo fcinfo, const char *function_name, Jsonb *params) {
	// Checked and hidden by an earlier call of the same statement.
	if (shown_text != nullptr && debug_query_string == shown_text)
		return;
	List *secrets = possible_secrets(&params->root, NIL);
	const bool is_in_text = contains_any(debug_query_string, secrets);
	const bool is_elsewhere = secrets != NIL && !is_in_text && is_in_code(fcinfo, secrets);
	const char *shown = MemoryContextStrdup(
		MessageContext,
		psprintf("SELECT sequin.%s(<hidden because it may carry a secret>)", function_name));
	debug_query_string = shown_text = shown;
	pgstat_report_activity(STATE_RUNNING, shown);
	if (is_elsewhere || (is_in_text && inside_utility()))
		refuse(function_name);
}

}  // namespace sequin::pg
