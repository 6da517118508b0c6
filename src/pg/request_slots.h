// Requests from a backend to the engine of its database, and their answers: a slot in shared memory
// names a dynamic segment with two message queues, one each way.
// Scope: backends (Caller) and engine (Called). Server regime; neither side ever blocks in a queue.
//
//   free --post--> posted --take--> taken --answer read, or either side leaves--> free
//                     |--engine leaves--> failed --caller notices--> free
// Posting and waiting are separate calls. The engine drops an answer that nobody takes.
#pragma once

#include "pg/pg.h"

namespace sequin::pg {

enum class SlotState : int { kFree, kPosted, kTaken, kFailed };

struct RequestSlot {
	SlotState state;
	Oid database;
	pid_t caller;
	Latch *caller_latch;
	uint32 engine_generation;  // of the engine that is to answer
	uint32 generation;         // of this use of the slot
	dsm_handle segment;
};

Size request_slots_size();          // of the array in shared memory
extern RequestSlot *request_slots;  // null: the library was not preloaded

// ---- the caller ----

struct Posted {
	int slot;
	uint32 generation;
	uint32 engine_generation;
	dsm_segment *segment;
	shm_mq_handle *out;
	shm_mq_handle *in;
};

// Hands the text to the engine. Waits up to a second for one that is starting. Raises 55000 without
// an engine, on a standby or in a read-only transaction; 53400 if all slots are in use.
Posted post_request(const char *text, Size size);

// The engine's answer, palloc'd. Wakes at least once a second. Raises SQ004 if the engine went
// away, naming `what`, and SQ006 after the timeout; cancel and termination work.
char *wait_for_answer(Posted *posted, int64 timeout_ms, const char *what, Size *size);

// ---- the engine ----

constexpr int kMostTaken = 16;

// Slots posted for this engine, marked taken; their segments attached outside any transaction.
struct Taken {
	int slot;
	uint32 generation;
	dsm_segment *segment;
	shm_mq_handle *in;
	shm_mq_handle *out;
};
int take_requests(Taken *taken, uint32 engine_generation);

enum class Progress : int { kWaiting, kDone, kGone };
// Reads the request; kDone: `*text` points into the queue until the next call.
Progress receive_request(Taken *taken, char **text, Size *size);
// Sends the answer; to be repeated with the same text until it is not kWaiting.
Progress send_answer(Taken *taken, const char *text, Size size);
void drop_request(Taken *taken);

// When an engine leaves: its posted slots fail, their callers wake.
void fail_posted(uint32 engine_generation);

}  // namespace sequin::pg
