// Every setting. See settings.h.
// Scope: any.
#include "pg/settings.h"

#include "http/egress.h"
#include "pg/guard.h"
#include "pg/pg.h"

namespace sequin::pg {

Settings settings;

namespace {

const config_enum_entry kAfterPromotionWords[] = {
	{"pause", kPause, false}, {"continue", kContinue, false}, {nullptr, 0, false}};

bool check_engines(int *value, void **, GucSource) {
	if (*value <= 1)
		return true;
	GUC_check_errdetail("More than one engine per database has not been shown to be worth it yet.");
	return false;
}

bool check_allowed_hosts(char **value, void **, GucSource) {
	const char *text = *value ? *value : "";
	char problem[512] = "";
	try {
		http::Egress::parse(text);
		return true;
	} catch (const std::exception &error) {
		strlcpy(problem, error.what(), sizeof problem);
	}
	GUC_check_errdetail("%s", problem);
	return false;
}

}  // namespace

void define_settings() {
	DefineCustomBoolVariable("sequin.enabled", "Whether workers may send requests.",
	                         "Off stops all traffic at once; nothing is lost.", &settings.enabled,
	                         true, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
	DefineCustomStringVariable(
		"sequin.databases", "Databases whose extension gets workers.",
		"A comma-separated list; empty means every database with the extension.",
		&settings.databases, "", PGC_SIGHUP, GUC_LIST_INPUT, nullptr, nullptr, nullptr);
	DefineCustomIntVariable("sequin.engines", "Engines per database.", nullptr, &settings.engines,
	                        1, 1, 8, PGC_SIGHUP, 0, check_engines, nullptr, nullptr);
	DefineCustomStringVariable(
		"sequin.allowed_hosts", "Hosts that are not public and may be reached nevertheless.",
		"A comma-separated list of host, host:port or CIDR; plain http is allowed to these only.",
		&settings.allowed_hosts, "", PGC_SIGHUP, 0, check_allowed_hosts, nullptr, nullptr);
	DefineCustomStringVariable(
		"sequin.key_file", "File with the key that seals secrets.",
		"Empty means the data directory's path with \".sequin-key\" appended.", &settings.key_file,
		"", PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
	DefineCustomStringVariable("sequin.http_proxy", "Proxy for all requests.",
	                           "Proxies of the environment are ignored.", &settings.http_proxy, "",
	                           PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
	DefineCustomStringVariable("sequin.ca_file",
	                           "Certificate authorities to trust instead of the system's.", nullptr,
	                           &settings.ca_file, "", PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
	DefineCustomEnumVariable(
		"sequin.after_promotion", "What workers do when the timeline has changed.",
		"\"pause\" waits for sequin.confirm_instance().", &settings.after_promotion, kPause,
		kAfterPromotionWords, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
	DefineCustomIntVariable("sequin.event_retention", "Days that events are kept.", nullptr,
	                        &settings.event_retention_days, 30, 1, 3650, PGC_SIGHUP, 0, nullptr,
	                        nullptr, nullptr);
	DefineCustomIntVariable("sequin.event_retention_max", "Days that events wait for a consumer.",
	                        nullptr, &settings.event_retention_max_days, 90, 1, 3650, PGC_SIGHUP, 0,
	                        nullptr, nullptr, nullptr);
	DefineCustomRealVariable(
		"sequin.min_free_disk", "Percentage of free disk below which backfills pause.", nullptr,
		&settings.min_free_disk_percent, 5.0, 0.0, 99.0, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
	// The rest belongs to workers; the server ends a session that defines these after its start.
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("sequin.max_connections", "Sockets an engine may hold open.", nullptr,
	                        &settings.max_connections, 200, 16, 10000, PGC_POSTMASTER, 0, nullptr,
	                        nullptr, nullptr);
	DefineCustomIntVariable(
		"sequin.request_slots", "Requests that backends may have with engines at once.", nullptr,
		&settings.request_slots, 64, 4, 1024, PGC_POSTMASTER, 0, nullptr, nullptr, nullptr);
	MarkGUCPrefixReserved("sequin");
}

}  // namespace sequin::pg
