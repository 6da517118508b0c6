// The two error bridges. See guard.h.
// Scope: any.
#include "pg/guard.h"

#include <cstring>
#include <new>

#include "pg/pg.h"

namespace sequin::pg {
namespace {

// Holds the jump buffer; must not have an object with a destructor. Returns the error, copied into
// the caller's memory context, or null.
ErrorData *run_with_jump_buffer(Body body, void *argument) {
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = nullptr;
	PG_TRY();
	{ body(argument); }
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return error;
}

std::string text_or_empty(const char *text) {
	return text ? text : "";
}

// What an exception said, in plain storage, so that it can be raised after the catch block.
struct Caught {
	char sqlstate[6];
	char message[2048];
	char detail[4096];
	char hint[1024];
	char context[2048];
};

void copy_text(char *to, size_t size, const char *from) noexcept {
	// Cut at a character, not inside one: the text goes to a client that checks its encoding.
	size_t length = strlen(from);
	if (length >= size) {
		length = size - 1;
		while (length > 0 && (static_cast<unsigned char>(from[length]) & 0xC0) == 0x80)
			length--;
	}
	memcpy(to, from, length);
	to[length] = '\0';
}

void fill_caught(Caught *caught, const char *sqlstate, const char *message, const char *detail,
                 const char *hint, const char *context) noexcept {
	copy_text(caught->sqlstate, sizeof caught->sqlstate,
	          strlen(sqlstate) == 5 ? sqlstate : "XX000");
	copy_text(caught->message, sizeof caught->message, message);
	copy_text(caught->detail, sizeof caught->detail, detail);
	copy_text(caught->hint, sizeof caught->hint, hint);
	copy_text(caught->context, sizeof caught->context, context);
}

bool catch_all(Body body, void *argument, Caught *caught) noexcept {
	try {
		body(argument);
		return false;
	} catch (const PgError &error) {
		fill_caught(caught, error.sqlstate().c_str(), error.what(), error.detail().c_str(),
		            error.hint().c_str(), error.context().c_str());
	} catch (const Error &error) {
		fill_caught(caught, error.sqlstate().c_str(), error.what(), error.detail().c_str(),
		            error.hint().c_str(), "");
	} catch (const std::bad_alloc &) {
		fill_caught(caught, "53200", "out of memory", "", "", "");
	} catch (const std::exception &error) {
		fill_caught(caught, "XX000", error.what(), "", "", "");
	} catch (...) {
		fill_caught(caught, "XX000", "unknown exception", "", "", "");
	}
	return true;
}

void report(int level, const Caught *caught) {
	const char *s = caught->sqlstate;
	ereport(level, (errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4])),
	                errmsg_internal("%s", caught->message),
	                caught->detail[0] ? errdetail_internal("%s", caught->detail) : 0,
	                caught->hint[0] ? errhint("%s", caught->hint) : 0,
	                caught->context[0] ? errcontext("%s", caught->context) : 0));
}

}  // namespace

void run_in_server(Body body, void *argument) {
	ErrorData *error = run_with_jump_buffer(body, argument);
	if (error == nullptr)
		return;
	PgError copy(unpack_sql_state(error->sqlerrcode), text_or_empty(error->message),
	             text_or_empty(error->detail), text_or_empty(error->hint),
	             text_or_empty(error->context));
	FreeErrorData(error);
	throw copy;
}

void run_in_cpp(Body body, void *argument) {
	Caught caught;
	if (catch_all(body, argument, &caught))
		report(ERROR, &caught);
}

bool run_quietly(Body body, void *argument) noexcept {
	Caught caught;
	if (!catch_all(body, argument, &caught))
		return true;
	report(LOG, &caught);  // LOG never jumps
	return false;
}

void run_counted(Body body, void *argument, int *counter) {
	(*counter)++;
	PG_TRY();
	{ body(argument); }
	PG_FINALLY();
	{ (*counter)--; }
	PG_END_TRY();
}

}  // namespace sequin::pg
