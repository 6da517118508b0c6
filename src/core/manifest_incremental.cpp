// The parts `incremental` and `deletes` of a collection: how later changes are learned of.
// Scope: any.
#include <algorithm>

#include "core/manifest_parts.h"

namespace sequin::manifest {

namespace {

void read_by_feed(const Manifest &manifest, const Node &node, const CollectionSpec &collection,
                  IncrementalSpec &incremental) {
	const Node feed = node.must("feed", "Name the feed that tells of this collection's changes.");
	incremental.feed = feed.text();
	if (manifest.feed(incremental.feed) == nullptr) {
		std::vector<std::string> names;
		for (const FeedSpec &known : manifest.feeds)
			names.push_back(known.name);
		feed.fail("unknown feed " + quoted(incremental.feed), suggestion(incremental.feed, names));
	}
	const std::optional<Node> types = node.maybe("types");
	incremental.types = types ? types->texts() : std::vector<std::string>{collection.object};
	if (!collection.get)
		node.fail("a feed needs \"get\" in the collection",
		          "Add get: an event may not carry the whole document, which is then read by key.");
}

void read_by_filter(const Node &node, const CollectionSpec &collection, const Offer &offer,
                    IncrementalSpec &incremental) {
	incremental.from =
		read_into(node.must("from", "Say which parameter bounds the time of change from below."));
	if (const auto to = node.maybe("to"))
		incremental.to = read_into(*to);
	if (!collection.version)
		node.fail("a filter needs \"version\" as a field",
		          "Write version as {\"path\", \"as\"}: the mark moves by it.");
	const std::optional<Node> as = node.maybe("as");
	incremental.as = as ? read_time_as(*as) : collection.version->as;
	if (const auto op = node.maybe("op"))
		incremental.exclusive = op->one_of({"gte", "gt"}) == 1;
	incremental.granularity_us = read_duration(
		node, "granularity", "Say the grain of the version's time, such as 1s.", kMoreThanZero);
	incremental.overlap_us = read_duration(
		node, "overlap", "Say how far before its mark a pass begins, for changes that appear late.",
		0);
	if (node.has("lag"))
		incremental.lag_us = read_duration(node, "lag", {}, 0);
	incremental.query = read_query(node.maybe("query"), offer);
}

void expect_keys_of(const Node &node, IncrementalMode mode) {
	switch (mode) {
	case IncrementalMode::kFeed:
		node.expect_keys({"mode", "feed", "types"}, "mode feed");
		break;
	case IncrementalMode::kFilter:
		node.expect_keys(
			{"mode", "from", "to", "as", "op", "granularity", "overlap", "lag", "query", "poll"},
			"mode filter");
		break;
	case IncrementalMode::kRelist:
		node.expect_keys({"mode", "poll"}, "mode relist");
		break;
	case IncrementalMode::kParent:
		node.expect_keys({"mode"}, "mode parent");
		break;
	case IncrementalMode::kNone:
		node.expect_keys({"mode", "because"}, "mode none");
		break;
	}
}

void expect_keys_of(const Node &node, DeleteKind kind) {
	switch (kind) {
	case DeleteKind::kFeed:
		node.expect_keys({"kind"}, "kind feed");
		break;
	case DeleteKind::kField:
		node.expect_keys({"kind", "when"}, "kind field");
		break;
	case DeleteKind::kSweep:
		node.expect_keys({"kind", "every", "max_ratio", "verify"}, "kind sweep");
		break;
	case DeleteKind::kParent:
		node.expect_keys({"kind"}, "kind parent");
		break;
	case DeleteKind::kList:
		node.expect_keys({"kind", "query", "poll"}, "kind list");
		break;
	case DeleteKind::kNever:
		node.expect_keys({"kind", "because"}, "kind never");
		break;
	}
}

void read_sweep(const Node &node, const CollectionSpec &collection, DeleteSpec &deletes) {
	deletes.every_us = read_duration(node, "every", "Say how often, such as 7d.", kMoreThanZero);
	deletes.max_ratio =
		node.must("max_ratio", "Say which share of the records a sweep may delete, 0 to 1: more "
	                           "is taken for a mistake.")
			.number(0, 1);
	if (const auto verify = node.maybe("verify"))
		deletes.verify = verify->boolean();
	if (deletes.verify && !collection.get)
		node.fail("a verified sweep needs \"get\" in the collection",
		          "Add get, or write \"verify\": false.");
}

DeleteSpec read_delete(Manifest &manifest, const Node &node, const CollectionSpec &collection) {
	DeleteSpec deletes;
	deletes.kind = static_cast<DeleteKind>(
		node.must("kind",
	              "Say how deletes are learned of: feed, field, sweep, parent, list or never.")
			.one_of({"feed", "field", "sweep", "parent", "list", "never"}));
	expect_keys_of(node, deletes.kind);
	switch (deletes.kind) {
	case DeleteKind::kFeed:
		if (collection.incremental.mode != IncrementalMode::kFeed)
			node.fail("the collection has no feed", "Use incremental mode feed, or another kind.");
		if (manifest.feed(collection.incremental.feed)->gone.empty())
			node.fail("feed " + quoted(collection.incremental.feed) + " does not tell of deletes",
			          "Add \"gone\" to the feed, or use another kind.");
		break;
	case DeleteKind::kField:
		deletes.when =
			read_jsonpath(manifest, node.must("when", "Say which records are deleted ones."),
		                  JsonPathIs::kPredicate);
		break;
	case DeleteKind::kSweep:
		read_sweep(node, collection, deletes);
		break;
	case DeleteKind::kParent:
		if (!collection.parent)
			node.fail("the collection has no parent", "Add \"parent\", or use another kind.");
		break;
	case DeleteKind::kList:
		deletes.query = read_query(
			node.must("query", "Say which parameters make the list one of deleted records."),
			{manifest, Credentials::kNone, nullptr, 0, collection.parent.has_value()});
		if (deletes.query.empty())
			node.fail("has no parameter",
			          "Say which parameters make the list one of deleted records.");
		deletes.poll = read_poll(node.maybe("poll"));
		break;
	case DeleteKind::kNever:
		deletes.because =
			node.must("because", "Say why this collection needs none: its rows stay for "
		                         "ever.")
				.text();
		break;
	}
	return deletes;
}

}  // namespace

IncrementalSpec read_incremental(Manifest &manifest, const Node &node,
                                 const CollectionSpec &collection) {
	IncrementalSpec incremental;
	incremental.mode = static_cast<IncrementalMode>(
		node.must("mode", "Say how changes are learned of: feed, filter, relist, parent or none.")
			.one_of({"feed", "filter", "relist", "parent", "none"}));
	expect_keys_of(node, incremental.mode);
	switch (incremental.mode) {
	case IncrementalMode::kFeed:
		read_by_feed(manifest, node, collection, incremental);
		incremental.poll = manifest.feed(incremental.feed)->poll;
		break;
	case IncrementalMode::kFilter:
		read_by_filter(node, collection,
		               {manifest, Credentials::kNone, nullptr, 0, collection.parent.has_value()},
		               incremental);
		incremental.poll = read_poll(node.maybe("poll"));
		break;
	case IncrementalMode::kRelist:
		incremental.poll = read_poll(node.maybe("poll"));
		break;
	case IncrementalMode::kParent:
		if (!collection.parent)
			node.fail("the collection has no parent", "Add \"parent\", or use another mode.");
		break;
	case IncrementalMode::kNone:
		incremental.because =
			node.must("because", "Say why later changes need not be learned of.").text();
		break;
	}
	return incremental;
}

std::vector<DeleteSpec> read_deletes(Manifest &manifest, const Node &node,
                                     const CollectionSpec &collection) {
	std::vector<DeleteSpec> result;
	for (const Node &element : node.elements()) {
		DeleteSpec deletes = read_delete(manifest, element, collection);
		for (const DeleteSpec &other : result)
			if (other.kind == deletes.kind)
				element.fail("two ways of one kind", "Keep one of them.");
		result.push_back(std::move(deletes));
	}
	if (result.empty())
		node.fail("empty list",
		          "Say how deletes are learned of; {\"kind\": \"never\", \"because\": ...} "
		          "if they are not.");
	const bool has_never = std::any_of(result.begin(), result.end(), [](const DeleteSpec &deletes) {
		return deletes.kind == DeleteKind::kNever;
	});
	if (has_never && result.size() > 1)
		node.fail("says never and something else", "Leave one of them out.");
	return result;
}

}  // namespace sequin::manifest
