// Every setting. Plain variables owned by the server.
// Scope: any.
#pragma once

namespace sequin::pg {

struct Settings {
	bool enabled;     // off: no traffic at all
	char *databases;  // comma-separated names; empty: every database with the extension
	int engines;      // per database
	char *allowed_hosts;
	char *key_file;       // empty: <data directory>.sequin-key
	int max_connections;  // sockets of one engine
	char *http_proxy;
	char *ca_file;
	int after_promotion;  // AfterPromotion
	int event_retention_days;
	int event_retention_max_days;
	double min_free_disk_percent;
	int request_slots;
};
extern Settings settings;

enum AfterPromotion { kPause, kContinue };

void define_settings();  // in _PG_init; server regime

}  // namespace sequin::pg
