// The manifest as a whole: its parts in order, and what they must be to each other.
// Scope: any.
#include "core/manifest.h"

#include <algorithm>

#include "core/error.h"
#include "core/json.h"
#include "core/manifest_parts.h"

namespace sequin {

namespace manifest {

namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr int kMostDepth = 32;
constexpr size_t kVersionBytes = 63;

bool is_deeper_than(const Json &value, int levels) {
	if (!value.is_object() && !value.is_array())
		return false;
	if (levels == 0)
		return true;
	for (const std::string &key : value.keys())
		if (is_deeper_than(value.get(key), levels - 1))
			return true;
	for (size_t i = 0; value.is_array() && i < value.size(); ++i)
		if (is_deeper_than(value.at(i), levels - 1))
			return true;
	return false;
}

// Objects merge; everything else of the collection replaces the template's. A null takes the
// template's member away.
Json merged(const Json &under, const Json &over) {
	if (!under.is_object() || !over.is_object())
		return over;
	Json result = Json::object();
	for (const std::string &key : under.keys())
		if (!over.has(key))
			result.set(key, under.get(key));
	for (const std::string &key : over.keys()) {
		if (!under.has(key))
			result.set(key, over.get(key));
		else if (!over.get(key).is_null())
			result.set(key, merged(under.get(key), over.get(key)));
	}
	return result;
}

std::vector<std::string> names_of(const Json &object) {
	return object.is_object() ? object.keys() : std::vector<std::string>();
}

void check_templates(const Node &root) {
	const std::optional<Node> templates = root.maybe("templates");
	if (!templates)
		return;
	for (const auto &[name, node] : templates->members()) {
		if (!is_slug(name))
			node.fail(quoted(name) + " is not a name",
			          "Use lower-case letters, digits and _, a letter first, at most 63 in all.");
		expect_template_keys(node);
	}
}

Node with_template(const Node &root, const Node &node) {
	const std::optional<Node> use = node.maybe("use");
	if (!use)
		return node;
	const std::string name = use->text();
	const Json templates = root.value().get("templates");
	if (!templates.is_object() || !templates.has(name))
		use->fail("unknown template " + quoted(name), suggestion(name, names_of(templates)));
	return Node(merged(templates.get(name), node.value()), node.path());
}

CollectionSpec read_merged(Manifest &manifest, const Node &root, const std::string &object,
                           const Node &node) {
	const Node whole = with_template(root, node);
	try {
		return read_collection(manifest, object, whole);
	} catch (const Error &error) {
		if (!node.has("use"))
			throw;
		throw Error(error.sqlstate().c_str(), error.what(),
		            "The collection uses template " + quoted(node.value().get("use").as_string()) +
		                ": what it does not state itself comes from there.",
		            error.hint());
	}
}

void check_object_name(const Node &node, const std::string &object) {
	if (!is_slug(object))
		node.fail(quoted(object) + " is not the name of an object",
		          "Use lower-case letters, digits and _, a letter first, at most 63 in all.");
}

// The collections with parents before their children, else as written.
class Families {
public:
	explicit Families(std::vector<CollectionSpec> collections)
		: collections_(std::move(collections)), states_(collections_.size(), State::kWaiting) {}

	std::vector<CollectionSpec> ordered() {
		for (size_t i = 0; i < collections_.size(); ++i)
			place(i);
		return std::move(ordered_);
	}

private:
	enum class State { kWaiting, kOpen, kPlaced };

	void place(size_t index) {
		if (states_[index] == State::kPlaced)
			return;
		CollectionSpec &collection = collections_[index];
		if (states_[index] == State::kOpen)
			throw Error("22023",
			            "collections." + collection.object +
			                ".parent.collection: the collection is its own ancestor",
			            {}, "Let the chain of parents end at a collection without parent.");
		states_[index] = State::kOpen;
		if (collection.parent)
			place(index_of(collection));
		states_[index] = State::kPlaced;
		ordered_.push_back(std::move(collection));
	}

	size_t index_of(const CollectionSpec &child) const {
		const std::string &wanted = child.parent->collection;
		for (size_t i = 0; i < names_.size(); ++i)
			if (names_[i] == wanted)
				return i;
		throw Error("22023",
		            "collections." + child.object + ".parent.collection: unknown collection " +
		                quoted(wanted),
		            {}, suggestion(wanted, names_));
	}

	static std::vector<std::string> objects_of(const std::vector<CollectionSpec> &collections) {
		std::vector<std::string> names;
		for (const CollectionSpec &collection : collections)
			names.push_back(collection.object);
		return names;
	}

	std::vector<CollectionSpec> collections_;
	std::vector<State> states_;
	std::vector<std::string> names_ = objects_of(collections_);
	std::vector<CollectionSpec> ordered_;
};

// An event goes to one collection.
void check_routes(const Manifest &manifest) {
	std::map<std::pair<std::string, std::string>, const CollectionSpec *> routes;
	for (const CollectionSpec &collection : manifest.collections) {
		const IncrementalSpec &incremental = collection.incremental;
		for (const std::string &type : incremental.types) {
			const auto [route, is_new] =
				routes.emplace(std::pair(incremental.feed, type), &collection);
			if (!is_new)
				throw Error("22023",
				            "collections." + collection.object + ".incremental.types: type " +
				                quoted(type) + " of feed " + quoted(incremental.feed) +
				                " already goes to collection " + quoted(route->second->object),
				            {}, "Let one collection take each type.");
		}
	}
}

}  // namespace

void read_collections(Manifest &manifest, const Node &root) {
	check_templates(root);
	const Node collections = root.must("collections", "Say what can be read.");
	for (const auto &[object, node] : collections.members()) {
		check_object_name(node, object);
		node.expect_object();
		manifest.collections.push_back(read_merged(manifest, root, object, node));
	}
	if (manifest.collections.empty())
		collections.fail("has no collection", "Say what can be read.");
	manifest.collections = Families(std::move(manifest.collections)).ordered();
	check_routes(manifest);
}

namespace {

void read_head(Manifest &manifest, const Node &root) {
	root.expect_keys({"manifest", "provider", "version", "title", "hosts", "settings", "auth",
	                  "check", "http", "error", "limits", "errors", "feeds", "templates",
	                  "collections"});
	const Node language =
		root.must("manifest", "Write \"manifest\": 1, the version of the language.");
	if (!language.value().is_integer() || language.value().as_integer() != 1)
		language.fail("unknown version of the manifest language", "Write 1.");
	manifest.provider =
		root.must("provider", "Name the provider: collection ids begin with it.").slug();
	const Node version = root.must("version", "Write a version of this file, as text.");
	manifest.version = version.text();
	if (manifest.version.size() > kVersionBytes || has_control(manifest.version))
		version.fail("is not a version", "Use at most 63 printable characters.");
	const std::optional<Node> title = root.maybe("title");
	manifest.title = title ? title->text() : manifest.provider;
}

}  // namespace

}  // namespace manifest

Manifest parse_manifest(std::string_view json_text) {
	using manifest::Node;
	if (json_text.size() > manifest::kMostBytes)
		throw Error("22023", "manifest: larger than 1 MB", {},
		            "Move what collections share into templates.");
	const Node root(Json::parse(json_text), {});
	if (manifest::is_deeper_than(root.value(), manifest::kMostDepth))
		throw Error("22023", "manifest: nested more than 32 levels deep", {},
		            "Flatten it: nothing in the language is that deep.");
	Manifest result;
	manifest::read_head(result, root);
	manifest::read_settings(result, root);
	manifest::read_auth(result, root);
	manifest::read_hosts(result, root);
	manifest::read_http(result, root);
	manifest::read_limits(result, root);
	manifest::read_errors(result, root);
	manifest::read_feeds(result, root);
	manifest::read_collections(result, root);
	return result;
}

const char *to_string(ErrorClass error_class) noexcept {
	switch (error_class) {
	case ErrorClass::kNone:
		return "none";
	case ErrorClass::kRetry:
		return "retry";
	case ErrorClass::kLimited:
		return "limited";
	case ErrorClass::kAuthDead:
		return "auth_dead";
	case ErrorClass::kAuthExpired:
		return "auth_expired";
	case ErrorClass::kMissingScope:
		return "missing_scope";
	case ErrorClass::kCursorExpired:
		return "cursor_expired";
	case ErrorClass::kRetentionLost:
		return "retention_lost";
	case ErrorClass::kTooMany:
		return "too_many";
	case ErrorClass::kRecordGone:
		return "record_gone";
	case ErrorClass::kRecordInvalid:
		return "record_invalid";
	case ErrorClass::kConflict:
		return "conflict";
	case ErrorClass::kUnknownOutcome:
		return "unknown_outcome";
	case ErrorClass::kFatal:
		return "fatal";
	}
	return "fatal";
}

const DeleteSpec *CollectionSpec::deletes_by(DeleteKind kind) const noexcept {
	for (const DeleteSpec &spec : deletes)
		if (spec.kind == kind)
			return &spec;
	return nullptr;
}

const CollectionSpec *Manifest::collection(std::string_view object) const noexcept {
	for (const CollectionSpec &spec : collections)
		if (spec.object == object)
			return &spec;
	return nullptr;
}

const FeedSpec *Manifest::feed(std::string_view name) const noexcept {
	for (const FeedSpec &spec : feeds)
		if (spec.name == name)
			return &spec;
	return nullptr;
}

const AuthSpec *Manifest::auth_kind(std::string_view kind) const noexcept {
	for (const AuthSpec &spec : auth)
		if (spec.kind == kind)
			return &spec;
	return nullptr;
}

}  // namespace sequin
