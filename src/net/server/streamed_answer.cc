#include "net/server/streamed_answer.h"

#include <charconv>
#include <utility>

namespace weir::net {

bool StreamedAnswer::Write(std::string_view bytes) {
  if (!queue_ || ended_ || aborted_) return false;
  std::string& out = queue_->OutputOf(*this);
  if (!bytes.empty() && !bodiless_) {
    if (framing_ == Framing::kChunked) {
      char size[16];
      const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16);
      out.append(size, end.ptr).append("\r\n").append(bytes).append("\r\n");
    } else {
      out.append(bytes);
    }
    queue_->Touched();
  }
  full_ = queue_->PendingOf(*this) > queue_->bytes_max();
  return !full_;
}

void StreamedAnswer::End() {
  if (!queue_ || ended_ || aborted_) return;
  ended_ = true;
  if (framing_ == Framing::kChunked && !bodiless_) queue_->OutputOf(*this).append("0\r\n\r\n");
  queue_->Ended(*this);
}

void StreamedAnswer::Abort() {
  if (!queue_ || ended_ || aborted_) return;
  aborted_ = true;
  queue_->Aborted(*this);
}

void StreamedAnswer::OnDrained(std::function<void()> drained) {
  drained_ = std::move(drained);
  drained_replaced_ = true;
}

void StreamedAnswer::OnClosed(std::function<void(bool)> closed) { closed_ = std::move(closed); }

void StreamedAnswer::CallDrained() {
  full_ = false;
  // The callback may replace itself while it runs.
  std::function<void()> drained = std::move(drained_);
  drained_ = nullptr;
  drained_replaced_ = false;
  if (drained) drained();
  if (!drained_replaced_) drained_ = std::move(drained);
}

void StreamedAnswer::CallClosed(bool complete) {
  queue_ = nullptr;
  const std::function<void(bool)> closed = std::move(closed_);
  closed_ = nullptr;
  if (closed) closed(complete);
}

}  // namespace weir::net
