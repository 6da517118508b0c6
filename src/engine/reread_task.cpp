// Records to be read again. See reread_task.h.
// Scope: engine.
#include "engine/reread_task.h"

#include <algorithm>

#include "engine/collection_task.h"

namespace sequin::engine {
namespace {

constexpr int kAtOnce = 8;
constexpr int kFetched = 64;

}  // namespace

RereadTask::RereadTask(Sync &sync) : sync_(sync) {}

RereadTask::~RereadTask() {
	sync_.cancel(&timer_);
}

bool RereadTask::is_under_way(int16_t collection) const noexcept {
	const auto it = in_flight_.lower_bound({collection, std::string()});
	return it != in_flight_.end() && it->first.first == collection;
}

void RereadTask::pump_soon(int64_t delay_us) {
	if (timer_ != 0)
		return;
	timer_ = sync_.at(sync_.house().now_us() + delay_us, [this] {
		timer_ = 0;
		pump();
	});
}

void RereadTask::pump() {
	if (sync_.is_stopped() || timer_ != 0 || in_flight_.size() >= kAtOnce)
		return;
	pg::Transaction transaction;
	const std::vector<store::Reread> wanted = store::rereads(sync_.row().key, kFetched);
	transaction.commit();
	is_idle_ = wanted.empty() && in_flight_.empty();
	if (is_idle_)
		sync_.maybe_refreshed();
	for (const store::Reread &reread : wanted) {
		if (in_flight_.size() >= kAtOnce)
			return;
		const CollectionTask *task = sync_.task(reread.collection);
		if (task == nullptr || !task->spec().get ||
		    in_flight_.count({reread.collection, reread.key}))
			continue;
		send(reread);
	}
}

void RereadTask::send(const store::Reread &reread) {
	const CollectionSpec &spec = sync_.task(reread.collection)->spec();
	CallSpec call;
	call.path = spec.get->path;
	call.query = &spec.get->query;
	call.names["key"] = reread.key;
	in_flight_[{reread.collection, reread.key}] = 1;
	sync_.call(
		CallKind::kGet, reread.collection,
		reread.origin == 's' ? http::Priority::kSweep : http::Priority::kLive, std::move(call),
		[this, reread](http::Response &&response) { on_answer(reread, std::move(response)); });
}

void RereadTask::on_answer(const store::Reread &reread, http::Response &&response) {
	const Key key{reread.collection, reread.key};
	in_flight_.erase(key);
	CollectionTask *task = sync_.task(reread.collection);
	store::OpenPage page(sync_.manifest(), CallKind::kGet, response, task->spec_json(),
	                     task->spec().records, {}, sync_.house().now_us());
	const ErrorClass error_class = page.verdict().error_class;
	const bool is_gone = error_class == ErrorClass::kRecordGone;
	const bool is_usable = error_class == ErrorClass::kNone && page.facts().is_json;
	if (is_usable || is_gone) {
		if (is_gone)
			page.open();
		const store::Applied applied =
			page.apply_one(sync_.target(reread.collection, reread.origin), reread.key, is_gone);
		task->save("live", applied);
		page.commit();
		attempts_.erase(key);
		if (applied.changed > 0)
			sync_.house().appended(applied);
		task->after_commit(applied);
		pump_soon(0);
		return;
	}
	// One record that is more than is allowed is as bad as one that cannot be stored.
	if (error_class == ErrorClass::kRecordInvalid || error_class == ErrorClass::kTooMany) {
		page.set_aside_one(sync_.target(reread.collection, reread.origin), reread.key);
		page.commit();
		store::Applied aside;
		aside.set_aside = 1;
		task->after_commit(aside);
		pump_soon(0);
		return;
	}
	page.give_up();
	const int attempt = ++attempts_[key];
	const Verdict &verdict = page.verdict();
	int64_t delay = 60 * 1000000LL;
	if (verdict.error_class == ErrorClass::kRetry || verdict.error_class == ErrorClass::kLimited ||
	    verdict.error_class == ErrorClass::kAuthDead ||
	    verdict.error_class == ErrorClass::kMissingScope)
		delay = sync_.trouble(task->spec().id, task->spec().get->path, verdict, attempt);
	if (delay < 0)
		return;
	// Only this record waits; the others go on.
	pg::Transaction transaction;
	store::put_off_reread(sync_.row().key, reread, delay);
	transaction.commit();
	pump_soon(std::min<int64_t>(delay, 1000000));
}

}  // namespace sequin::engine
