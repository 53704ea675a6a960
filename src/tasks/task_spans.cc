#include "tasks/task_spans.h"

#include <algorithm>
#include <string>

namespace weir::tasks {

using observe::Span;

observe::SpanId SpanOfTask(const observe::TraceContext& of, base::Offset record,
                           std::string_view task) {
  return observe::DeriveSpan(of, record.value(), task);
}

void TaskSpans::Add(const Applied& applied) {
  if (gathered_.size() >= kGatheredMax) return queue_->Drop();
  namespace attributes = observe::span_attributes;
  const base::Offset record = applied.window->block.records[applied.index].offset;
  Span span{.of = applied.of,
            .id = applied.replay ? observe::DeriveSpan(applied.of, applied.replay->value(),
                                                       "replay " + std::string(applied.task))
                                 : SpanOfTask(applied.of, record, applied.task),
            .kind = observe::SpanKind::kConsumer,
            .name = observe::SpanName::Task(applied.task),
            .start_ns = applied.start_ns,
            .attributes = {attributes::TaskName(applied.task), attributes::AtOffset(record),
                           attributes::WindowRecords(applied.window->block.records.size())}};
  if (applied.ahead) span.attributes.push_back(attributes::Ahead());
  if (std::ranges::find(quarantined_, std::pair(applied.task, record)) != quarantined_.end()) {
    span.failed = true;
    span.attributes.push_back(attributes::Quarantined());
  }
  gathered_.push_back(std::move(span));
}

void TaskSpans::Committed(int64_t now_ns) {
  for (Span& span : gathered_) {
    span.end_ns = now_ns;
    queue_->Add(std::move(span));
  }
  RolledBack();
}

void TaskSpans::RolledBack() {
  gathered_.clear();
  quarantined_.clear();
}

}  // namespace weir::tasks
