// One sync in the engine. See sync.h.
// Scope: engine.
#include "engine/sync.h"

#include <algorithm>

#include "engine/collection_task.h"
#include "engine/feed_task.h"
#include "engine/reread_task.h"

namespace sequin::engine {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int kQuietAttempts = 3;  // so many failures in a row are nobody's business yet

}  // namespace

Sync::Sync(House &house, const Manifest &manifest, store::SyncRow row, uint64_t incarnation)
	: house_(house), manifest_(manifest), row_(std::move(row)), incarnation_(incarnation),
	  noted_(row_.noted.begin(), row_.noted.end()) {
	for (const SettingSpec &setting : manifest.settings)
		if (setting.has_default)
			row_.access.settings.emplace(setting.name, setting.default_value);
	if (row_.allowed_requests > 0 || row_.max_concurrent > 0)
		own_window_ = house.window(row_.key, row_.is_new, row_.allowed_requests, row_.interval_us,
		                           row_.max_concurrent);
	for (const store::CollectionRow &collection : row_.collections) {
		const size_t colon = collection.id.find(':');
		const CollectionSpec *spec =
			manifest.collection(std::string_view(collection.id).substr(colon + 1));
		if (spec)
			collections_.push_back(std::make_unique<CollectionTask>(*this, *spec, collection));
	}
	for (const FeedSpec &feed : manifest.feeds) {
		const bool is_used =
			std::any_of(collections_.begin(), collections_.end(), [&](const auto &task) {
				return task->spec().incremental.mode == IncrementalMode::kFeed &&
			           task->spec().incremental.feed == feed.name;
			});
		const auto saved = row_.feeds.find(feed.name);
		if (is_used)
			feeds_.push_back(std::make_unique<FeedTask>(
				*this, feed, saved == row_.feeds.end() ? "" : saved->second));
	}
	rereads_ = std::make_unique<RereadTask>(*this);
}

Sync::~Sync() = default;

void Sync::start() {
	if (!row_.access_error.empty()) {
		note("credential", "error", "secret_unreadable",
		     "The credential's secret cannot be read: " + row_.access_error,
		     "Bring the key file, then run SELECT pg_reload_conf().");
		is_stopped_ = true;
		return;
	}
	if (row_.credential_is_dead) {
		is_stopped_ = true;
		return;
	}
	for (const store::CollectionRow &collection : row_.collections)
		if (task(collection.collection) == nullptr)
			note(collection.id, "error", "unknown_collection",
			     "The provider's manifest no longer has this collection.",
			     "Remove it by sequin.update_sync(), or load a manifest that has it.");
	recovered("engine");
	recovered("credential");
	for (const auto &feed : feeds_)
		feed->start();
	for (const auto &collection : collections_)
		collection->start();
	rereads_->pump();
	if (row_.refresh_requests > row_.refreshed)
		refresh();
}

void Sync::refresh() {
	is_refreshing_ = true;
	for (const auto &feed : feeds_)
		if (feed->has_position())
			refreshing_.insert(feed.get());
	for (const auto &collection : collections_)
		if (collection->has_passes())
			refreshing_.insert(collection.get());
	for (const auto &feed : feeds_)
		feed->poll_now();
	for (const auto &collection : collections_)
		collection->pass_now();
	maybe_refreshed();
}

void Sync::pass_done(const void *task) {
	if (refreshing_.erase(task) > 0)
		maybe_refreshed();
}

void Sync::maybe_refreshed() {
	if (!is_refreshing_ || !refreshing_.empty() || !rereads_->is_idle())
		return;
	if (!std::all_of(collections_.begin(), collections_.end(),
	                 [](const auto &task) { return task->is_idle(); }))
		return;
	is_refreshing_ = false;
	row_.refreshed = row_.refresh_requests;
	pg::Transaction transaction;
	store::save_sync_facts(row_.key, false, row_.refreshed);
	transaction.commit();
	house_.progressed();
}

void Sync::call(CallKind kind, int16_t collection, http::Priority priority, CallSpec spec,
                std::function<void(http::Response &&)> done) {
	auto call = std::make_unique<Call>();
	call->sync = row_.key;
	call->incarnation = incarnation_;
	call->collection = collection;
	call->kind = kind;
	call->priority = priority;
	call->path = spec.path;
	call->own_window = own_window_;
	call->done = std::move(done);
	call->compose = [this, spec = std::move(spec), priority] {
		http::Request request = make_request(manifest_, row_.access, spec);
		request.priority = priority;
		return request;
	};
	house_.call(row_.account, std::move(call));
}

TimerId Sync::at(int64_t due_us, std::function<void()> action) {
	return house_.at(due_us, row_.key, incarnation_, std::move(action));
}

void Sync::cancel(TimerId *timer) {
	if (*timer != 0)
		house_.cancel(*timer);
	*timer = 0;
}

void Sync::note(const std::string &part, const char *status, const std::string &code,
                const std::string &text, const std::string &hint) {
	noted_.insert(part);
	pg::Transaction transaction;
	const bool is_news =
		store::set_health(row_.key, part, status, mask_secrets(code, row_.access),
	                      mask_secrets(text, row_.access), hint);
	transaction.commit();
	if (is_news)
		house_.progressed();
}

void Sync::recovered(const std::string &part) {
	if (noted_.erase(part) == 0)
		return;
	pg::Transaction transaction;
	const bool is_news = store::clear_health(row_.key, part, "");
	transaction.commit();
	if (is_news)
		house_.progressed();
}

int64_t Sync::trouble(const std::string &part, const std::string &path, const Verdict &verdict,
                      int attempt) {
	const std::string message = verdict.message.empty() ? verdict.code : verdict.message;
	switch (verdict.error_class) {
	case ErrorClass::kLimited: {
		const int64_t wait = verdict.wait_us > 0 ? verdict.wait_us
		                                         : backoff_us(std::min(attempt, 8), kSecondUs / 2,
		                                                      60 * kSecondUs, house_.random());
		house_.limited(row_.account, path, house_.now_us() + wait);
		if (attempt == kQuietAttempts + 2)
			note(part, "warn", "rate_limited", message, verdict.hint);
		return 0;
	}
	case ErrorClass::kAuthDead:
	case ErrorClass::kAuthExpired: {
		note("credential", "error", verdict.code, message,
		     verdict.hint.empty() ? "Replace the secret by sequin.update_credential(); the sync "
		                            "goes on where it stood."
		                          : verdict.hint);
		pg::Transaction transaction;
		store::save_credential_facts(row_.credential, row_.credential_revision, {}, "error",
		                             {mask_secrets(message, row_.access)});
		transaction.commit();
		is_stopped_ = true;
		house_.progressed();
		return -1;
	}
	case ErrorClass::kMissingScope:
		note(part, "error", verdict.code, message, verdict.hint);
		return 3600 * kSecondUs;
	case ErrorClass::kRetry: {
		if (attempt > kQuietAttempts)
			note(part, "warn", verdict.code, message, verdict.hint);
		const int64_t wait = backoff_us(attempt, kSecondUs / 2, 300 * kSecondUs, house_.random());
		return std::max(wait, verdict.wait_us);
	}
	default:
		note(part, "error", verdict.code, message, verdict.hint);
		return backoff_us(attempt, 10 * kSecondUs, 3600 * kSecondUs, house_.random());
	}
}

store::Target Sync::target(int16_t collection, char origin) const {
	store::Target target;
	target.sync = row_.key;
	target.collection = collection;
	target.origin = origin;
	if (row_.max_age_days)
		target.oldest_us = house_.now_us() - static_cast<int64_t>(*row_.max_age_days * 86400e6);
	return target;
}

CollectionTask *Sync::task(int16_t collection) const noexcept {
	for (const auto &task : collections_)
		if (task->collection() == collection)
			return task.get();
	return nullptr;
}

void Sync::collection_changed(int16_t collection) {
	const CollectionTask *parent = task(collection);
	for (const auto &child : collections_)
		if (parent && child->spec().parent &&
		    child->spec().parent->collection == parent->spec().object)
			child->parent_changed();
}

void Sync::children_follow() {
	for (const auto &task : collections_)
		task->parent_changed();
}

void Sync::rereads_added() {
	rereads_->pump();
}

bool Sync::rereads_under_way(int16_t collection) const noexcept {
	return rereads_->is_under_way(collection);
}

void Sync::collection_backfilled() {
	children_follow();
	const bool is_whole = std::all_of(collections_.begin(), collections_.end(),
	                                  [](const auto &task) { return task->is_backfilled(); });
	if (is_whole && !row_.is_backfilled) {
		row_.is_backfilled = true;
		house_.filled(row_.key);
		pg::Transaction transaction;
		store::save_sync_facts(row_.key, true, row_.refreshed);
		transaction.commit();
	}
	house_.progressed();
}

void Sync::reconcile(const std::string &feed) {
	std::set<std::string> parents;
	for (const auto &task : collections_)
		if (task->spec().incremental.feed == feed) {
			task->begin_again();
			parents.insert(task->spec().object);
		}
	for (const auto &task : collections_)
		if (task->spec().parent && parents.count(task->spec().parent->collection) > 0)
			task->begin_again();
}

bool Sync::has_feed_position(const std::string &feed) const noexcept {
	return std::any_of(feeds_.begin(), feeds_.end(), [&](const auto &task) {
		return task->name() == feed && task->has_position();
	});
}

void Sync::feed_is_true(const std::string &feed, int64_t at_us, int64_t next_run_us) {
	for (const auto &task : collections_)
		if (task->spec().incremental.feed == feed)
			task->known_true_at(at_us, next_run_us);
}

void Sync::feed_positioned(const std::string &feed) {
	for (const auto &task : collections_)
		if (task->spec().incremental.feed == feed)
			task->feed_is_positioned();
}

}  // namespace sequin::engine
