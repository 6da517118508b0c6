// Children follow their parents: whatever parent changed is taken in the order of its last event,
// its children are taken from its document if that carries them whole, else the parent is put down
// in sequin._child_rereads and they are read from the API; what the parent no longer has is gone.
// Backfill and live are the same thing. Scope: engine.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/walk.h"

namespace sequin::engine {

class CollectionTask;

class ChildTask {
public:
	ChildTask(Sync &sync, CollectionTask &owner);
	~ChildTask();
	void start() { pump(); }
	void pump();  // takes what parents changed and what is put down
	bool is_idle() const noexcept { return is_idle_; }

private:
	struct Reading {  // of one parent's children by calls
		std::string parent;
		std::unique_ptr<Walk> walk;
		bool is_done = false;
	};
	bool take_parents();  // false: no parent has changed since
	void read_wanted();
	void read_parent(const std::string &parent);
	void reading_done(const std::string &parent);
	void reading_void(const std::string &parent, const std::string &reason);
	void sweep_done();
	void pump_soon(int64_t delay_us);

	Sync &sync_;
	CollectionTask &owner_;
	const ParentSpec &spec_;
	std::string embedded_;
	int16_t parent_collection_ = -1;
	std::map<std::string, Reading> reading_;
	bool is_idle_ = false;  // every parent known was followed
	TimerId timer_ = 0;
};

}  // namespace sequin::engine
