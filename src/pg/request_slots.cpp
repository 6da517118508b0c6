// Requests from a backend to the engine. See request_slots.h.
// Scope: backends and engine. Server regime: no object with a destructor in this file.
#include "pg/request_slots.h"

#include "pg/settings.h"
#include "pg/shared_state.h"

namespace sequin::pg {

RequestSlot *request_slots = nullptr;

namespace {

constexpr Size kQueueSize = 64 * 1024;
constexpr int kStartingWaitMs = 1000;
constexpr long kWakeEveryMs = 1000;

// The segment's two queues lie behind each other: to the engine, and back.
shm_mq *queue_at(dsm_segment *segment, int index) {
	return reinterpret_cast<shm_mq *>(static_cast<char *>(dsm_segment_address(segment)) +
	                                  index * kQueueSize);
}

void free_slot(int index, uint32 generation) {
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	RequestSlot &slot = request_slots[index];
	if (slot.generation == generation)
		slot.state = SlotState::kFree;
	LWLockRelease(shared->lock);
}

// The caller's segment goes with its statement; so does the slot, whatever ends it.
void on_detach(dsm_segment *, Datum argument) {
	const uint64 both = DatumGetUInt64(argument);
	free_slot(static_cast<int>(both >> 32), static_cast<uint32>(both));
}

bool engine_is_running(Latch **latch, uint32 *generation) {
	LWLockAcquire(shared->lock, LW_SHARED);
	const EngineSlot *engine = engine_of(MyDatabaseId);
	const bool runs = engine != nullptr && engine->state == EngineState::kRunning;
	if (runs) {
		*latch = engine->latch;
		*generation = engine->generation;
	}
	LWLockRelease(shared->lock);
	return runs;
}

void wait_for_engine(Latch **latch, uint32 *generation) {
	for (int waited = 0; !engine_is_running(latch, generation); waited += 20) {
		if (waited >= kStartingWaitMs)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			                errmsg("no sequin engine is running for this database"),
			                errhint("Look at sequin.health() and the server log.")));
		(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20,
		                PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void refuse_where_nothing_can_be_sent() {
	if (shared == nullptr)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("sequin has no workers: its library was not loaded at server start"),
		     errhint("Add \"sequin\" to \"shared_preload_libraries\" and restart the server.")));
	if (RecoveryInProgress())
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("a standby cannot send requests"), errhint("Call it on the primary.")));
	if (XactReadOnly)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("a read-only transaction cannot send requests"),
		                errhint("Call it in a transaction that may write.")));
}

int claim_slot(uint32 engine_generation, dsm_segment *segment, uint32 *generation) {
	int claimed = -1;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < settings.request_slots && claimed < 0; i++) {
		RequestSlot &slot = request_slots[i];
		if (slot.state != SlotState::kFree)
			continue;
		slot.state = SlotState::kPosted;
		slot.database = MyDatabaseId;
		slot.caller = MyProcPid;
		slot.caller_latch = MyLatch;
		slot.engine_generation = engine_generation;
		slot.generation++;
		slot.segment = dsm_segment_handle(segment);
		*generation = slot.generation;
		claimed = i;
	}
	LWLockRelease(shared->lock);
	return claimed;
}

// Whether the engine that was to answer is still the same one.
bool engine_is_same(const Posted *posted) {
	LWLockAcquire(shared->lock, LW_SHARED);
	const EngineSlot *engine = engine_of(MyDatabaseId);
	const bool same = engine != nullptr && engine->generation == posted->engine_generation &&
	                  request_slots[posted->slot].state != SlotState::kFailed;
	LWLockRelease(shared->lock);
	return same;
}

}  // namespace

Size request_slots_size() {
	return mul_size(sizeof(RequestSlot), settings.request_slots);
}

Posted post_request(const char *text, Size size) {
	refuse_where_nothing_can_be_sent();
	Posted posted;
	Latch *engine_latch = nullptr;
	wait_for_engine(&engine_latch, &posted.engine_generation);
	posted.segment = dsm_create(2 * kQueueSize, 0);
	shm_mq *to_engine = shm_mq_create(queue_at(posted.segment, 0), kQueueSize);
	shm_mq *from_engine = shm_mq_create(queue_at(posted.segment, 1), kQueueSize);
	shm_mq_set_sender(to_engine, MyProc);
	shm_mq_set_receiver(from_engine, MyProc);
	posted.out = shm_mq_attach(to_engine, posted.segment, nullptr);
	posted.in = shm_mq_attach(from_engine, posted.segment, nullptr);
	posted.slot = claim_slot(posted.engine_generation, posted.segment, &posted.generation);
	if (posted.slot < 0)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
		                errmsg("all %d request slots of sequin are in use", settings.request_slots),
		                errhint("Try again, or raise \"sequin.request_slots\".")));
	on_dsm_detach(posted.segment, on_detach,
	              UInt64GetDatum(static_cast<uint64>(posted.slot) << 32 | posted.generation));
	SetLatch(engine_latch);
	// What does not fit yet goes on while the caller waits.
	const shm_mq_result result = shm_mq_send(posted.out, size, text, true, true);
	if (result == SHM_MQ_WOULD_BLOCK)
		while (shm_mq_send(posted.out, size, text, true, true) == SHM_MQ_WOULD_BLOCK) {
			(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kWakeEveryMs,
			                PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			if (!engine_is_same(&posted))
				break;
		}
	return posted;
}

char *wait_for_answer(Posted *posted, int64 timeout_ms, const char *what, Size *size) {
	const TimestampTz deadline = GetCurrentTimestamp() + timeout_ms * 1000;
	for (;;) {
		void *data = nullptr;
		const shm_mq_result result = shm_mq_receive(posted->in, size, &data, true);
		if (result == SHM_MQ_SUCCESS) {
			char *answer = static_cast<char *>(palloc(*size + 1));
			memcpy(answer, data, *size);
			answer[*size] = '\0';
			dsm_detach(posted->segment);
			return answer;
		}
		if (result == SHM_MQ_DETACHED || !engine_is_same(posted))
			ereport(ERROR, (errcode(MAKE_SQLSTATE('S', 'Q', '0', '0', '4')),
			                errmsg("the sequin engine went away before it answered"),
			                errdetail("It was to run %s.", what),
			                errhint("Look whether it was done before trying again.")));
		const int64 left_ms = (deadline - GetCurrentTimestamp()) / 1000;
		if (left_ms <= 0)
			ereport(ERROR, (errcode(MAKE_SQLSTATE('S', 'Q', '0', '0', '6')),
			                errmsg("no answer within %lld ms", static_cast<long long>(timeout_ms)),
			                errdetail("The engine goes on with %s.", what)));
		(void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
		                Min(left_ms, kWakeEveryMs), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

int take_requests(Taken *taken, uint32 engine_generation) {
	int count = 0;
	dsm_handle handles[kMostTaken];
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < settings.request_slots && count < kMostTaken; i++) {
		RequestSlot &slot = request_slots[i];
		if (slot.state != SlotState::kPosted || slot.engine_generation != engine_generation)
			continue;
		slot.state = SlotState::kTaken;
		taken[count].slot = i;
		taken[count].generation = slot.generation;
		handles[count++] = slot.segment;
	}
	LWLockRelease(shared->lock);
	int attached = 0;
	for (int i = 0; i < count; i++) {
		// Outside a transaction there is no resource owner: the mapping lives until it is detached.
		dsm_segment *segment = dsm_attach(handles[i]);
		if (segment == nullptr)
			continue;  // the caller has left already
		Taken &one = taken[attached];
		one = taken[i];
		one.segment = segment;
		shm_mq_set_receiver(queue_at(segment, 0), MyProc);
		shm_mq_set_sender(queue_at(segment, 1), MyProc);
		one.in = shm_mq_attach(queue_at(segment, 0), segment, nullptr);
		one.out = shm_mq_attach(queue_at(segment, 1), segment, nullptr);
		attached++;
	}
	return attached;
}

Progress receive_request(Taken *taken, char **text, Size *size) {
	void *data = nullptr;
	switch (shm_mq_receive(taken->in, size, &data, true)) {
	case SHM_MQ_SUCCESS:
		*text = static_cast<char *>(data);
		return Progress::kDone;
	case SHM_MQ_WOULD_BLOCK:
		return Progress::kWaiting;
	default:
		return Progress::kGone;
	}
}

Progress send_answer(Taken *taken, const char *text, Size size) {
	switch (shm_mq_send(taken->out, size, text, true, true)) {
	case SHM_MQ_SUCCESS:
		return Progress::kDone;
	case SHM_MQ_WOULD_BLOCK:
		return Progress::kWaiting;
	default:
		return Progress::kGone;
	}
}

void drop_request(Taken *taken) {
	dsm_detach(taken->segment);
	taken->segment = nullptr;
}

void fail_posted(uint32 engine_generation) {
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < settings.request_slots; i++) {
		RequestSlot &slot = request_slots[i];
		if (slot.engine_generation != engine_generation || slot.state == SlotState::kFree)
			continue;
		if (slot.state == SlotState::kPosted)
			slot.state = SlotState::kFailed;
		if (slot.caller_latch)
			SetLatch(slot.caller_latch);
	}
	LWLockRelease(shared->lock);
}

}  // namespace sequin::pg
