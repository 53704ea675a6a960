// The spans of what one transaction applies: gathered while it runs, queued when it is committed,
// forgotten when it is rolled back. Of traced records alone. The committer's thread.
//
// A task's span is a child of the span of the report's request, and its id follows from that, the
// record's offset and the task's name (observe::DeriveSpan), so what comes of the task finds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/offset.h"
#include "observe/span.h"
#include "tasks/task.h"

namespace weir::tasks {

observe::SpanId SpanOfTask(const observe::TraceContext& of, base::Offset record,
                           std::string_view task);

class TaskSpans {
 public:
  // At most so many of one transaction; further ones are counted as dropped.
  static constexpr size_t kGatheredMax = 4096;

  // Null: there are no spans.
  explicit TaskSpans(observe::SpanQueue* queue) : queue_(queue) {}

  struct Applied {
    std::string_view task;
    const Window* window;
    size_t index;  // of the record
    observe::TraceContext of;
    int64_t start_ns;
    bool ahead = false;
    std::optional<base::Offset> replay;  // the record that had it applied again
  };
  bool wanted(const Window& window) const { return queue_ && !window.computed->traced.empty(); }
  void Add(const Applied& applied);
  // Of the span that is added next for this task and record.
  void Quarantined(std::string_view task, base::Offset record) {
    if (queue_) quarantined_.emplace_back(task, record);
  }

  void Committed(int64_t now_ns);
  void RolledBack();

 private:
  observe::SpanQueue* const queue_;
  std::vector<observe::Span> gathered_;
  std::vector<std::pair<std::string_view, base::Offset>> quarantined_;
};

}  // namespace weir::tasks
