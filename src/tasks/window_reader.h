// Reads windows of records from the journal and computes them, on a few threads, ahead of one
// consumer.
//
// A lane is a sequence of windows that follow one another from a cursor. The consumer says with
// SetLanes() where lanes begin and how far they may read, takes the window at a lane's cursor with
// Front() and drops it with Pop(). A lane whose cursor is not named any more is forgotten.
//
// Memory: at most `records_max` records and `bytes_max` bytes are read and not yet popped, all
// lanes together, and beyond that one window per lane, so that none waits for another. Threads:
// SetLanes, Front, Pop, WaitReady and Stop from the consumer; the rest from any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "exec/worker_pool.h"
#include "journal/journal.h"
#include "tasks/instruments.h"
#include "tasks/task.h"

namespace weir::tasks {

struct WindowReaderOptions {
  unsigned threads = 1;
  int nice = 0;
  size_t records_max = 20'000;
  size_t bytes_max = 16u << 20;
  size_t window_records_max = 2000;
};

class WindowReader {
 public:
  WindowReader(WindowReaderOptions options, const journal::Journal& journal, const Service& service,
               const Instruments& instruments);
  ~WindowReader();

  struct LaneGoal {
    Offset cursor;  // the next window to be applied begins here
    Offset limit;   // records at or above are not read yet
  };
  void SetLanes(std::span<const LaneGoal> goals);
  // How many records the windows read from now on hold at most.
  void SetWindowRecords(size_t records);

  // The window that begins at the cursor, if it is ready. An error: it could not be read, and the
  // lane stands still until it is popped or forgotten.
  base::Result<const Window*> Front(Offset cursor);  // nullptr: not ready
  // Moves the lane behind its front window, or after an error back to its cursor.
  void Pop(Offset cursor);
  void Forget(Offset cursor);

  // True: some window became ready since the last call, or one does within the time.
  bool WaitReady(int timeout_ms);
  // Whether a window is being read or waits for that.
  bool busy() const;

  struct Held {
    size_t records = 0;
    size_t bytes = 0;
  };
  Held held() const;

  void Stop();

 private:
  struct Slot {
    Window window;
    base::Status status;
    bool done = false;
    size_t records = 0, bytes = 0;
  };
  struct Lane {
    Offset cursor, read_next, limit;
    bool reading = false;  // one at a time, so that windows follow one another
    bool failed = false;
    bool forgotten = false;
    std::deque<std::shared_ptr<Slot>> slots;  // shared: a worker may still fill a forgotten one
  };

  Lane* FindLane(Offset cursor);
  bool MayRead(const Lane& lane) const;
  void Kick();  // with mutex_ held
  void Work();  // on a worker: fills slots until no lane may read
  void Fill(const std::shared_ptr<Lane>& lane, std::unique_lock<std::mutex>& lock);
  void Drop(Lane& lane);

  const WindowReaderOptions options_;
  const journal::Journal& journal_;
  const Service& service_;
  const Instruments& instruments_;

  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<std::shared_ptr<Lane>> lanes_;  // shared with the worker that reads for one
  size_t next_lane_ = 0;
  size_t window_records_;
  Held held_;
  unsigned working_ = 0;
  bool became_ready_ = false;
  bool stopped_ = false;
  exec::WorkerPool pool_;  // last: its threads use all of the above
};

}  // namespace weir::tasks
