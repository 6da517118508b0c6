// The part `feeds` of a manifest: streams of changes for several collections.
// Scope: any.
#include "core/manifest_parts.h"
#include "core/scanner.h"

namespace sequin::manifest {

namespace {

// The changed document is cut out of its event by members alone, as records are out of a page.
std::string read_object(Manifest &manifest, const Node &node) {
	std::string path = read_jsonpath(manifest, node);
	if (!is_plain_records_path(path + "[*]"))
		node.fail(quoted(path) + " is not a plain member path",
		          "Write members alone, as in \"$.data.object\".");
	return path;
}

void read_trust(Manifest &manifest, const Node &node, FeedSpec &feed) {
	node.expect_keys({"path", "equals"});
	feed.trust_path = read_jsonpath(manifest, node.must("path", "Say what is compared."));
	feed.trust_equals = read_template(
		node.must("equals", "Say what it must be for the document inside to be used."), {manifest});
}

void read_reach(const Node &node, FeedSpec &feed) {
	feed.retention_us = read_duration(
		node, "retention",
		"Say how far back the feed reaches: an older position means a full pass.", kMoreThanZero);
	feed.granularity_us = read_duration(
		node, "granularity", "Say the grain of the events' time, such as 1s.", kMoreThanZero);
	feed.overlap_us = read_duration(
		node, "overlap", "Say how far back a second look goes, for events that appear late.", 0);
	if (feed.overlap_us >= feed.retention_us)
		node.fail("overlap is not shorter than retention", "Shorten overlap.");
	feed.poll = read_poll(node.maybe("poll"));
}

void check_places(const Node &node, const FeedSpec &feed) {
	for (const Into *into :
	     {&feed.since, &feed.paging.into, &feed.paging.newer_into, &feed.paging.size_into})
		if (into->place == Into::Place::kBody)
			node.fail("sets \"body." + into->name + "\", but a feed is asked without a body",
			          "Write query.<name>.");
}

FeedSpec read_feed(Manifest &manifest, const std::string &name, const Node &node) {
	node.expect_keys({"path", "query", "records", "id", "time", "paging", "since", "since_as",
	                  "object", "type", "gone", "skip", "trust", "retention", "granularity",
	                  "overlap", "poll"});
	FeedSpec feed;
	feed.name = name;
	feed.path = read_path(node.must("path", "Say where the list of events is."), {manifest});
	feed.query = read_query(node.maybe("query"), {manifest});
	feed.records =
		read_records(manifest, node.must("records", "Say where the events stand in an answer."));
	feed.id = read_jsonpath(manifest, node.must("id", "Say where an event's id stands."));
	feed.time = read_time_path(manifest, node.must("time", "Say when an event happened."));
	feed.paging = read_paging(manifest, node.must("paging", "Say how the next page is asked for."));
	feed.since =
		read_into(node.must("since", "Say which parameter bounds the events' time from below."));
	const std::optional<Node> since_as = node.maybe("since_as");
	feed.since_as = since_as ? read_time_as(*since_as) : feed.time.as;
	feed.object = read_object(
		manifest, node.must("object", "Say where the changed document stands in an event."));
	feed.type = read_jsonpath(
		manifest, node.must("type", "Say which word routes an event to its collection."));
	feed.gone = maybe_jsonpath(manifest, node, "gone", JsonPathIs::kPredicate);
	feed.skip = maybe_jsonpath(manifest, node, "skip", JsonPathIs::kPredicate);
	if (const auto trust = node.maybe("trust"))
		read_trust(manifest, *trust, feed);
	read_reach(node, feed);
	check_places(node, feed);
	return feed;
}

}  // namespace

void read_feeds(Manifest &manifest, const Node &root) {
	const std::optional<Node> feeds = root.maybe("feeds");
	if (!feeds)
		return;
	for (const auto &[name, node] : feeds->members()) {
		if (!is_slug(name))
			node.fail(quoted(name) + " is not a name",
			          "Use lower-case letters, digits and _, a letter first, at most 63 in all.");
		manifest.feeds.push_back(read_feed(manifest, name, node));
	}
}

}  // namespace sequin::manifest
