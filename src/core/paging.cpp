// The walk through pages, and the Link header.
// Scope: any. Pure.
#include "core/paging.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/error.h"
#include "core/json.h"

namespace sequin {

namespace {

// Stands for "the page before had no rows" where a digest of rows would stand.
constexpr uint64_t kDigestOfEmpty = 0x656d7074792e2e2eu;

bool moves_by_token(PagingKind kind) noexcept {
	return kind == PagingKind::kToken || kind == PagingKind::kNextUrl;
}

bool moves_by_row(PagingKind kind) noexcept {
	return kind == PagingKind::kAfterLastRecord || kind == PagingKind::kKeyset;
}

// One answer beside the position it was asked with.
struct Walk {
	const PagingSpec &paging;
	const PagePosition &position;
	const PageFacts &facts;
	std::string_view token;  // token or next URL
	int asked_size;
	Direction direction;

	int64_t number() const noexcept {
		return paging.kind == PagingKind::kPage && position.is_first ? paging.first
		                                                             : position.number;
	}
};

// Rows up to the end of this page. Pages are counted by `number`, so their rows are kept in
// `after`: the product of pages and asked size would be too many where the API gives less than was
// asked.
int64_t rows_so_far(const Walk &walk) noexcept {
	int64_t before = walk.number();
	if (walk.paging.kind == PagingKind::kPage) {
		before = 0;
		const std::string &text = walk.position.after;
		std::from_chars(text.data(), text.data() + text.size(), before);
	}
	return before + walk.facts.rows;
}

bool is_stopped(const Walk &walk) noexcept {
	const PagingSpec &paging = walk.paging;
	const PageFacts &facts = walk.facts;
	const bool is_short = facts.rows == 0 || facts.rows < walk.asked_size;
	return paging.kind == PagingKind::kNone || (paging.stop_more && facts.more == false) ||
	       ((paging.stop_no_token || paging.stop_no_link) && moves_by_token(paging.kind) &&
	        walk.token.empty()) ||
	       (paging.stop_short_page && is_short) || (paging.stop_empty_page && facts.rows == 0) ||
	       (paging.stop_total && facts.total && rows_so_far(walk) >= *facts.total);
}

// Where the next request would stand. `after` is empty where the answer does not say it.
PagePosition moved(const Walk &walk) {
	PagePosition next;
	next.is_first = false;
	next.digest = walk.facts.rows > 0 ? walk.facts.digest : kDigestOfEmpty;
	next.number = walk.number() + walk.facts.rows;
	switch (walk.paging.kind) {
	case PagingKind::kAfterLastRecord:
		next.after =
			walk.direction == Direction::kNewer ? walk.facts.first_key : walk.facts.last_key;
		break;
	case PagingKind::kKeyset:
		next.after = walk.facts.last_field;
		break;
	case PagingKind::kToken:
	case PagingKind::kNextUrl:
		next.after = walk.token;
		break;
	case PagingKind::kPage:
		next.number = walk.number() + 1;
		next.after = std::to_string(rows_so_far(walk));
		break;
	case PagingKind::kOffset:
		if (walk.paging.by_limit && walk.asked_size > 0)
			next.number = walk.number() + walk.asked_size;
		break;
	case PagingKind::kNone:
		break;
	}
	return next;
}

PageDecision loop(const Walk &walk, std::string reason) {
	return {PageVerdict::kLoop, walk.position, std::move(reason)};
}

PageDecision done(const Walk &walk) {
	PageDecision decision{PageVerdict::kDone, walk.position, {}};
	if (walk.facts.rows > 0 && moves_by_row(walk.paging.kind)) {
		PagePosition next = moved(walk);
		if (!next.after.empty())
			decision.next = std::move(next);
	}
	// A later walk to newer rows counts for itself.
	if (walk.direction == Direction::kNewer)
		decision.next.number = 0;
	return decision;
}

// No stop held. The walk goes on if the answer says where, and that is somewhere else.
PageDecision go_on(const Walk &walk) {
	const bool is_empty = walk.facts.rows == 0;
	const PagingKind kind = walk.paging.kind;
	if (is_empty && !moves_by_token(kind))
		return loop(walk,
		            "A page came without records, and the API did not say that it was the last.");
	PagePosition next = moved(walk);
	if (kind == PagingKind::kPage || kind == PagingKind::kOffset)
		return {PageVerdict::kMore, std::move(next), {}};
	if (next.after.empty())
		return loop(walk,
		            "The API did not say that this page was the last, and its answer lacks what "
		            "the next page is asked with.");
	if (next.after == walk.position.after)
		return loop(walk, "The next page would be asked for exactly as this one was.");
	if (is_empty && walk.position.digest == kDigestOfEmpty)
		return loop(walk,
		            "Two pages in a row came without records, and the API did not say that they "
		            "were the last.");
	return {PageVerdict::kMore, std::move(next), {}};
}

}  // namespace

std::string PagePosition::encode() const {
	Json object = Json::object();
	object.set("after", Json::string(after));
	object.set("number", Json::integer(number));
	object.set("first", Json::boolean(is_first));
	// JSON integers have a sign; the bits are what counts.
	object.set("digest", Json::integer(static_cast<int64_t>(digest)));
	return object.dump();
}

PagePosition PagePosition::decode(std::string_view text) {
	try {
		const Json object = Json::parse(text);
		PagePosition position;
		position.after = object.get("after").as_string();
		position.number = object.get("number").as_integer();
		position.is_first = object.get("first").as_boolean();
		position.digest = static_cast<uint64_t>(object.get("digest").as_integer());
		return position;
	} catch (const Error &error) {
		throw Error("22023", "could not read the position of a walk",
		            std::string("The reader says: ") + error.what() + ".");
	}
}

PageDecision next_page(const PagingSpec &paging, const PagePosition &position,
                       const PageFacts &facts, std::string_view link_next, int asked_size,
                       Direction direction) {
	const bool by_link = paging.kind == PagingKind::kNextUrl && paging.link_header;
	const Walk walk{paging,     position, facts, by_link ? link_next : std::string_view(facts.next),
	                asked_size, direction};
	// A digest of 0 is none: a position that was made and not reached.
	if (paging.kind != PagingKind::kNone && !position.is_first && facts.rows > 0 &&
	    position.digest != 0 && facts.digest == position.digest)
		return loop(walk, "The API gave the page before once more.");
	return is_stopped(walk) ? done(walk) : go_on(walk);
}

namespace {

constexpr bool is_blank(char byte) noexcept {
	return byte == ' ' || byte == '\t';
}

char lower(char byte) noexcept {
	return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

bool is_same_word(std::string_view one, std::string_view other) noexcept {
	return one.size() == other.size() &&
	       std::equal(one.begin(), one.end(), other.begin(),
	                  [](char left, char right) { return lower(left) == lower(right); });
}

// Whether a list of relation types, parted by blanks, has "next".
bool has_next(std::string_view relations) noexcept {
	while (!relations.empty()) {
		const size_t end = std::min(relations.find_first_of(" \t"), relations.size());
		if (is_same_word(relations.substr(0, end), "next"))
			return true;
		relations.remove_prefix(std::min(end + 1, relations.size()));
	}
	return false;
}

// Reads the parts of a Link header from left to right.
class LinkReader final {
public:
	explicit LinkReader(std::string_view text) noexcept : text_(text) {}

	// The next `<target>`; false at the end or where none can be read.
	bool read_target(std::string_view &target) noexcept {
		while (at_ < text_.size() && (is_blank(text_[at_]) || text_[at_] == ','))
			++at_;
		if (at_ >= text_.size() || text_[at_] != '<')
			return false;
		const size_t end = text_.find('>', at_);
		if (end == std::string_view::npos)
			return false;
		target = text_.substr(at_ + 1, end - at_ - 1);
		at_ = end + 1;
		return true;
	}

	// The next `; name=value` of the target; false after the last of them.
	bool read_parameter(std::string_view &name, std::string &value) {
		value.clear();
		skip_to_separator();
		if (at_ >= text_.size() || text_[at_] == ',')
			return false;
		++at_;
		skip_blanks();
		name = read_token();
		skip_blanks();
		if (at_ >= text_.size() || text_[at_] != '=')
			return true;
		++at_;
		skip_blanks();
		if (at_ < text_.size() && text_[at_] == '"')
			read_quoted(value);
		else
			value = read_token();
		return true;
	}

private:
	void skip_blanks() noexcept {
		while (at_ < text_.size() && is_blank(text_[at_]))
			++at_;
	}

	void skip_to_separator() noexcept {
		while (at_ < text_.size() && text_[at_] != ';' && text_[at_] != ',')
			++at_;
	}

	std::string_view read_token() noexcept {
		const size_t start = at_;
		while (at_ < text_.size() && !is_blank(text_[at_]) && text_[at_] != ';' &&
		       text_[at_] != ',' && text_[at_] != '=')
			++at_;
		return text_.substr(start, at_ - start);
	}

	void read_quoted(std::string &value) {
		for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
			if (text_[at_] == '\\' && at_ + 1 < text_.size())
				++at_;
			value.push_back(text_[at_]);
		}
		at_ += at_ < text_.size() ? 1 : 0;
	}

	std::string_view text_;
	size_t at_ = 0;
};

// Positions are stored as JSON, and URLs are ASCII.
std::string ascii_url(std::string_view url) {
	constexpr char kHex[] = "0123456789ABCDEF";
	std::string out;
	out.reserve(url.size());
	for (const char byte : url) {
		const auto code = static_cast<unsigned char>(byte);
		if (code < 0x80)
			out.push_back(byte);
		else
			out.append({'%', kHex[code >> 4], kHex[code & 15]});
	}
	return out;
}

}  // namespace

std::string link_next(std::string_view link_header) {
	LinkReader reader(link_header);
	std::string_view target, name;
	std::string value;
	while (reader.read_target(target)) {
		bool is_next = false, has_relation = false, is_of_other_page = false;
		while (reader.read_parameter(name, value)) {
			// Of several `rel` the first counts; with `anchor` the link is not this page's.
			if (is_same_word(name, "rel") && !std::exchange(has_relation, true))
				is_next = has_next(value);
			is_of_other_page = is_of_other_page || is_same_word(name, "anchor");
		}
		if (is_next && !is_of_other_page)
			return ascii_url(target);
	}
	return {};
}

}  // namespace sequin
