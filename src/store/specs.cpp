// The JSON forms of collections and feeds that the SQL side reads. See pages.h.
// Scope: engine.
#include "core/json.h"
#include "store/pages.h"

namespace sequin::store {
namespace {

const char *word(TimeAs as) {
	switch (as) {
	case TimeAs::kEpoch:
		return "epoch";
	case TimeAs::kEpochMs:
		return "epoch_ms";
	case TimeAs::kRfc3339:
		return "rfc3339";
	case TimeAs::kDate:
		return "date";
	}
	return "rfc3339";
}

void set_path(Json *spec, const char *name, const std::string &path) {
	if (!path.empty())
		spec->set(name, Json::string(path));
}

void set_time(Json *spec, const char *name, const std::optional<TimePath> &time) {
	if (!time)
		return;
	Json value = Json::object();
	value.set("path", Json::string(time->path));
	value.set("as", Json::string(word(time->as)));
	spec->set(name, value);
}

Json texts(const std::vector<std::string> &values) {
	Json list = Json::array();
	for (const std::string &value : values)
		list.append(Json::string(value));
	return list;
}

void set_common(Json *spec, const Manifest &manifest, const PagingSpec &paging) {
	if (paging.kind == PagingKind::kToken || paging.kind == PagingKind::kNextUrl)
		set_path(spec, "next", paging.from);
	set_path(spec, "more", paging.more);
	set_path(spec, "total", paging.total);
	set_path(spec, "field", paging.field);
	Json error = Json::object();
	set_path(&error, "code", manifest.error_code);
	set_path(&error, "message", manifest.error_message);
	spec->set("error", error);
	Json rules = Json::array();
	for (const ErrorRule &rule : manifest.errors)
		rules.append(rule.body.empty() ? Json() : Json::string(rule.body));
	spec->set("rules", rules);
}

}  // namespace

std::string collection_spec(const Manifest &manifest, const CollectionSpec &collection,
                            const std::vector<std::string> &exclude_fields) {
	Json spec = Json::object();
	spec.set("records", Json::string(collection.records));
	Json keys = Json::array();
	for (const std::string &key : collection.key)
		keys.append(key == "parent" ? Json() : Json::string(key));
	spec.set("key", keys);
	set_time(&spec, "created", collection.created);
	set_time(&spec, "updated", collection.updated);
	set_time(&spec, "version", collection.version);
	set_time(&spec, "time",
	         collection.incremental.mode == IncrementalMode::kFilter ? collection.version
	                                                                 : collection.created);
	spec.set("ignore", texts(collection.ignore));
	std::vector<std::string> dropped = collection.drop;
	dropped.insert(dropped.end(), exclude_fields.begin(), exclude_fields.end());
	spec.set("drop", texts(dropped));
	if (const DeleteSpec *field = collection.deletes_by(DeleteKind::kField))
		set_path(&spec, "gone", field->when);
	if (collection.get)
		set_path(&spec, "get_gone", collection.get->gone);
	set_common(&spec, manifest, collection.paging);
	return spec.dump();
}

std::string feed_spec(const Manifest &manifest, const FeedSpec &feed,
                      const std::string &trust_value) {
	Json spec = Json::object();
	spec.set("records", Json::string(feed.records));
	Json keys = Json::array();
	keys.append(Json::string(feed.id));
	spec.set("key", keys);
	spec.set("id", Json::string(feed.id));
	spec.set("type", Json::string(feed.type));
	spec.set("object", Json::string(feed.object));
	set_time(&spec, "time", feed.time);
	set_path(&spec, "gone", feed.gone);
	set_path(&spec, "skip", feed.skip);
	if (!feed.trust_path.empty()) {
		Json trust = Json::object();
		trust.set("path", Json::string(feed.trust_path));
		trust.set("equals", Json::string(trust_value));
		spec.set("trust", trust);
	}
	set_common(&spec, manifest, feed.paging);
	return spec.dump();
}

std::string check_spec(const Manifest &manifest) {
	Json spec = Json::object();
	spec.set("records", Json::string("$[*]"));
	spec.set("key", Json::array());
	set_common(&spec, manifest, PagingSpec{});
	return spec.dump();
}

std::string embedded_spec(const ParentSpec &parent) {
	Json spec = Json::object();
	set_path(&spec, "records", parent.embedded_records);
	set_path(&spec, "more", parent.embedded_more);
	return spec.dump();
}

}  // namespace sequin::store
