// The part `paging` of a collection or a feed.
// Scope: any.
#include <algorithm>

#include "core/manifest_parts.h"

namespace sequin::manifest {

namespace {

constexpr int64_t kMostRows = 100000;

void expect_keys_of(const Node &node, PagingKind kind) {
	switch (kind) {
	case PagingKind::kNone:
		node.expect_keys({"kind", "size", "order"}, "paging of kind none");
		break;
	case PagingKind::kAfterLastRecord:
		node.expect_keys({"kind", "size", "more", "total", "stop", "order", "into", "newer_into"},
		                 "paging of kind after_last_record");
		break;
	case PagingKind::kToken:
		node.expect_keys({"kind", "size", "more", "total", "stop", "order", "from", "into"},
		                 "paging of kind token");
		break;
	case PagingKind::kNextUrl:
		node.expect_keys({"kind", "size", "more", "total", "stop", "order", "from", "link_header"},
		                 "paging of kind next_url");
		break;
	case PagingKind::kPage:
		node.expect_keys({"kind", "size", "more", "total", "stop", "order", "into", "first"},
		                 "paging of kind page");
		break;
	case PagingKind::kOffset:
		node.expect_keys({"kind", "size", "more", "total", "stop", "order", "into", "by"},
		                 "paging of kind offset");
		break;
	case PagingKind::kKeyset:
		node.expect_keys({"kind", "size", "more", "total", "stop", "order", "into", "field"},
		                 "paging of kind keyset");
		break;
	}
}

void read_next_url(Manifest &manifest, const Node &node, PagingSpec &paging) {
	paging.from = maybe_jsonpath(manifest, node, "from");
	if (const auto link_header = node.maybe("link_header"))
		paging.link_header = link_header->boolean();
	if (paging.from.empty() != paging.link_header)
		node.fail("needs one of \"from\" and \"link_header\"",
		          "Write from with a jsonpath of the next URL, or \"link_header\": true.");
}

void read_way(Manifest &manifest, const Node &node, PagingSpec &paging) {
	if (paging.kind == PagingKind::kNone)
		return;
	if (paging.kind == PagingKind::kNextUrl)
		return read_next_url(manifest, node, paging);
	paging.into = read_into(node.must("into", "Say which parameter asks for the next page."));
	if (const auto newer_into = node.maybe("newer_into"))
		paging.newer_into = read_into(*newer_into);
	if (paging.kind == PagingKind::kToken)
		paging.from = read_jsonpath(
			manifest, node.must("from", "Say where the token of the next page stands."));
	if (paging.kind == PagingKind::kKeyset)
		paging.field = read_jsonpath(
			manifest, node.must("field", "Say which member of a record the list goes by."));
	if (paging.kind == PagingKind::kPage)
		paging.first = static_cast<int>(
			node.must("first", "Say whether the API counts pages from 0 or from 1.").integer(0, 1));
	if (const auto by = node.maybe("by"))
		paging.by_limit = by->one_of({"returned", "limit"}) == 1;
	if (paging.by_limit && paging.size == 0)
		node.fail("advances by the limit, but has no size", "Write size, or \"by\": \"returned\".");
}

// A stop that can never hold would walk for ever; one that always holds would lose the rest.
void check_stop(const Node &element, const std::string &word, const PagingSpec &paging) {
	const bool is_url = paging.kind == PagingKind::kNextUrl;
	if (word == "more" && paging.more.empty())
		element.fail("stops by \"more\", which is not there",
		             "Add \"more\", a jsonpath, to paging.");
	if (word == "total" && paging.total.empty())
		element.fail("stops by \"total\", which is not there",
		             "Add \"total\", a jsonpath, to paging.");
	if (word == "short_page" && paging.size == 0)
		element.fail("stops at a short page, but has no size", "Add \"size\" to paging.");
	if (word == "no_token" && paging.kind != PagingKind::kToken && (!is_url || paging.link_header))
		element.fail("stops by \"no_token\", but no token is read",
		             "Use it with kind token, or next_url with from.");
	if (word == "no_link" && !is_url)
		element.fail("stops by \"no_link\", but no link is read", "Use it with kind next_url.");
}

void read_stop(const Node &node, PagingSpec &paging) {
	node.texts();  // at least one, none twice
	for (const Node &element : node.elements()) {
		bool *const stops[] = {&paging.stop_more,       &paging.stop_no_token,
		                       &paging.stop_no_link,    &paging.stop_short_page,
		                       &paging.stop_empty_page, &paging.stop_total};
		*stops[element.one_of(
			{"more", "no_token", "no_link", "short_page", "empty_page", "total"})] = true;
		check_stop(element, element.text(), paging);
	}
}

}  // namespace

PagingSpec read_paging(Manifest &manifest, const Node &node) {
	PagingSpec paging;
	paging.kind = static_cast<PagingKind>(
		node.must("kind", "Say how the next page is asked for; none if there is one page only.")
			.one_of(
				{"none", "after_last_record", "token", "next_url", "page", "offset", "keyset"}));
	expect_keys_of(node, paging.kind);
	if (const auto size = node.maybe("size")) {
		size->expect_keys({"into", "n"});
		paging.size_into =
			read_into(size->must("into", "Say which parameter holds the page size."));
		paging.size = static_cast<int>(
			size->must("n", "Say how many records to ask for.").integer(1, kMostRows));
	}
	paging.more = maybe_jsonpath(manifest, node, "more");
	paging.total = maybe_jsonpath(manifest, node, "total");
	read_way(manifest, node, paging);

	const std::optional<Node> order =
		paging.kind == PagingKind::kNone
			? node.maybe("order")
			: node.must("order", "Say asc, desc or none: it decides whether a position is safe to "
	                             "go on from after a crash.");
	if (order)
		paging.order = static_cast<Order>(order->one_of({"asc", "desc", "none"}));
	if (paging.kind != PagingKind::kNone)
		read_stop(node.must("stop", "Say how the last page is known: a list of more, no_token, "
		                            "no_link, short_page, empty_page and total."),
		          paging);
	return paging;
}

}  // namespace sequin::manifest
