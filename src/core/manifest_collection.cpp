// One of the `collections` of a manifest: how it is listed, what a record is, what belongs to it.
// Scope: any.
#include <algorithm>

#include "core/manifest_parts.h"
#include "core/template.h"
#include "core/time.h"

namespace sequin::manifest {

namespace {

// A default stands in the body's JSON text as it is: what JSON would escape there would not be
// read.
void check_body_text(const Node &node, const Offer &offer) {
	const std::string text(node.value().as_string());
	check_template(node, text, offer);
	for (const Placeholder &placeholder : placeholders(text))
		for (const std::string &filter : placeholder.filters)
			if (has_control(filter) || filter.find_first_of("\"\\") != std::string::npos)
				node.fail("default in a body has a quotation mark, backslash or control character",
				          "Put such a value into settings.");
}

void check_body(const Node &node, const Offer &offer) {
	if (node.value().is_string())
		return check_body_text(node, offer);
	if (node.value().is_array())
		for (const Node &element : node.elements())
			check_body(element, offer);
	if (!node.value().is_object())
		return;
	for (const auto &[name, member] : node.members()) {
		if (name.find("${") != std::string::npos)
			member.fail("name of a member is a template", "Use templates in values only.");
		check_body(member, offer);
	}
}

void read_body(const Node &node, const Offer &offer, CollectionSpec &collection) {
	const std::optional<Node> body = node.maybe("body");
	if (!body)
		return;
	body->expect_object();
	if (collection.method == "GET")
		body->fail("method GET has no body", "Write \"method\": \"POST\".");
	check_body(*body, offer);
	collection.body = body->value().dump();
}

std::vector<std::string> read_key(Manifest &manifest, const Node &node, bool has_parent) {
	std::vector<std::string> key = node.texts();
	for (const Node &element : node.elements()) {
		if (element.text() != "parent")
			read_jsonpath(manifest, element);
		else if (!has_parent)
			element.fail("the collection has no parent",
			             "Add \"parent\", or name a path in the record.");
	}
	return key;
}

std::vector<std::string> read_members(const Node &node) {
	std::vector<std::string> paths = node.texts();
	for (const Node &element : node.elements()) {
		const std::string path = element.text();
		if (path.front() == '.' || path.back() == '.' || path.front() == '$' ||
		    path.find("..") != std::string::npos || has_control(path))
			element.fail(quoted(path) + " is not a dotted member path",
			             "Write member.member, without $ and brackets.");
	}
	return paths;
}

ParentSpec read_parent(Manifest &manifest, const Node &node) {
	node.expect_keys({"collection", "embedded", "on_delete"});
	ParentSpec parent;
	parent.collection = node.must("collection", "Name the parent's object.").text();
	if (const auto embedded = node.maybe("embedded")) {
		embedded->expect_keys({"records", "more"});
		parent.embedded_records = read_jsonpath(
			manifest, embedded->must("records", "Say where in the parent's document the "
		                                        "children stand."));
		parent.embedded_more = maybe_jsonpath(manifest, *embedded, "more", JsonPathIs::kPredicate);
	}
	if (const auto on_delete = node.maybe("on_delete"))
		parent.cascade = on_delete->one_of({"cascade", "keep"}) == 0;
	return parent;
}

void read_version(Manifest &manifest, const Node &owner, CollectionSpec &collection) {
	const Node node = owner.must(
		"version",
		"Say which of two copies is newer: {\"path\", \"as\"}, or \"requested\" if the data "
		"does not tell.");
	if (node.value().is_string())
		node.one_of({"requested"});
	else
		collection.version = read_time_path(manifest, node);
}

SliceSpec read_slice(const Node &node, const CollectionSpec &collection) {
	node.expect_keys({"from", "to", "as", "start", "min_span"});
	SliceSpec slice;
	slice.from = read_into(node.must("from", "Say which parameter bounds creation from below."));
	slice.to = read_into(node.must("to", "Say which parameter bounds creation from above."));
	slice.as = read_time_as(node.must("as", "Write epoch, epoch_ms, rfc3339 or date."));
	if (const auto start = node.maybe("start")) {
		const std::string text = start->text();
		const std::optional<int64_t> start_us = parse_iso_time(text);
		if (!start_us)
			start->fail(quoted(text) + " is not a date", "Write it as in \"2010-01-01\".");
		slice.start_us = *start_us;
	}
	if (const auto min_span = node.maybe("min_span"))
		slice.min_span_us = min_span->duration_us(kMoreThanZero);
	if (!collection.created)
		node.fail("slices need \"created\" in the collection",
		          "Add created as {\"path\", \"as\"}.");
	if (collection.paging.order != Order::kDescending)
		node.fail("slices need a list that is newest first",
		          "Write \"order\": \"desc\" in paging if the list is so, else leave slice out.");
	return slice;
}

GetSpec read_get(Manifest &manifest, const Node &node, const Offer &offer) {
	node.expect_keys({"path", "query", "gone"});
	GetSpec get;
	get.path = read_path(node.must("path", "Say where one record is read."), offer);
	get.query = read_query(node.maybe("query"), offer);
	get.gone = maybe_jsonpath(manifest, node, "gone", JsonPathIs::kPredicate);
	if (!uses_name(get.path, "key") && !uses_name(get.query, "key"))
		node.fail("does not name the record", "Put ${key} into path or query.");
	return get;
}

void read_relist(const Node &node, CollectionSpec &collection) {
	node.expect_keys({"every", "window"});
	collection.relist_every_us =
		read_duration(node, "every", "Say how often, such as 1d.", kMoreThanZero);
	collection.relist_window_us = read_duration(
		node, "window", "Say how long after its creation a record may change.", kMoreThanZero);
	if (!collection.created)
		node.fail("needs \"created\" in the collection", "Add created as {\"path\", \"as\"}.");
}

// A parameter that a part sets must fit the method, and must not be fixed as well.
void check_place(const Node &node, const CollectionSpec &collection, const char *part,
                 const Into &into) {
	if (into.place == Into::Place::kBody && collection.method == "GET")
		node.fail(std::string(part) + " sets \"body." + into.name +
		              "\", but method GET has no body",
		          "Write query.<name>, or \"method\": \"POST\".");
	if (into.place != Into::Place::kQuery)
		return;
	for (const auto &[name, value] : collection.query)
		if (name == into.name)
			node.fail("query has " + quoted(name) + ", which " + part + " sets",
			          "Leave it out of query.");
}

void check_places(const Node &node, const CollectionSpec &collection) {
	check_place(node, collection, "paging", collection.paging.into);
	check_place(node, collection, "paging", collection.paging.newer_into);
	check_place(node, collection, "paging", collection.paging.size_into);
	check_place(node, collection, "incremental", collection.incremental.from);
	check_place(node, collection, "incremental", collection.incremental.to);
	if (collection.slice) {
		check_place(node, collection, "slice", collection.slice->from);
		check_place(node, collection, "slice", collection.slice->to);
	}
}

// How to list it.
void read_list(Manifest &manifest, const Node &node, CollectionSpec &collection) {
	const Offer offer{manifest, Credentials::kNone, nullptr, 0, collection.parent.has_value()};
	const Node path = node.must("path", "Say where the list is.");
	collection.path = read_path(path, offer);
	collection.query = read_query(node.maybe("query"), offer);
	if (const auto method = node.maybe("method"))
		collection.method = method->one_of({"GET", "POST"}) == 0 ? "GET" : "POST";
	read_body(node, offer, collection);
	if (collection.parent && !uses_name(collection.path, "parent.key") &&
	    !uses_name(collection.query, "parent.key") && !uses_name(collection.body, "parent.key"))
		path.fail("does not name the parent", "Put ${parent.key} into path, query or body.");
	collection.records =
		read_records(manifest, node.must("records", "Say where the records stand in an answer."));
	collection.paging = read_paging(
		manifest, node.must("paging", "Say how the next page is asked for; {\"kind\": \"none\"} if "
	                                  "there is one page only."));
}

// What a record is.
void read_record(Manifest &manifest, const Node &node, CollectionSpec &collection) {
	collection.key =
		read_key(manifest, node.must("key", "Say which members of a record are its id."),
	             collection.parent.has_value());
	if (const auto created = node.maybe("created"))
		collection.created = read_time_path(manifest, *created);
	if (const auto updated = node.maybe("updated"))
		collection.updated = read_time_path(manifest, *updated);
	read_version(manifest, node, collection);
	if (const auto ignore = node.maybe("ignore"))
		collection.ignore = read_members(*ignore);
	if (const auto drop = node.maybe("drop"))
		collection.drop = read_members(*drop);
	if (const auto get = node.maybe("get"))
		collection.get = read_get(manifest, *get,
		                          {manifest, Credentials::kNone, nullptr, collection.key.size(),
		                           collection.parent.has_value()});
}

}  // namespace

void expect_template_keys(const Node &node) {
	node.expect_keys({"title", "path", "query", "method", "body", "records", "key", "created",
	                  "updated", "version", "ignore", "drop", "paging", "slice", "incremental",
	                  "get", "deletes", "relist", "parent"},
	                 "a template");
}

CollectionSpec read_collection(Manifest &manifest, const std::string &object, const Node &node) {
	node.expect_keys({"use",   "title",       "path",    "query",   "method", "body",  "records",
	                  "key",   "created",     "updated", "version", "ignore", "drop",  "paging",
	                  "slice", "incremental", "get",     "deletes", "relist", "parent"});
	CollectionSpec collection;
	collection.object = object;
	collection.id = manifest.provider + ":" + object;
	const std::optional<Node> title = node.maybe("title");
	collection.title = title ? title->text() : object;
	if (const auto parent = node.maybe("parent"))
		collection.parent = read_parent(manifest, *parent);
	read_list(manifest, node, collection);
	read_record(manifest, node, collection);
	if (const auto slice = node.maybe("slice"))
		collection.slice = read_slice(*slice, collection);
	collection.incremental = read_incremental(
		manifest,
		node.must("incremental", "Say how later changes are learned of; {\"mode\": \"none\", "
	                             "\"because\": ...} if they are not."),
		collection);
	collection.deletes =
		read_deletes(manifest,
	                 node.must("deletes", "Say how deletes are learned of; [{\"kind\": \"never\", "
	                                      "\"because\": ...}] if they are not."),
	                 collection);
	if (const auto relist = node.maybe("relist"))
		read_relist(*relist, collection);
	check_places(node, collection);
	return collection;
}

}  // namespace sequin::manifest
