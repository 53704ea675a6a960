#include "services/epro/batch.h"

#include <algorithm>

#include "base/json_writer.h"
#include "services/epro/intake.h"

namespace weir::epro {
namespace {

std::string_view Trim(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) {
    line.remove_suffix(1);
  }
  return line;
}

// The seconds that the answer's sender is asked to wait; empty: none.
std::string_view RetryAfterOf(const Answer& answer) {
  constexpr std::string_view kName = "Retry-After: ";
  const size_t at = answer.headers.find(kName);
  if (at == std::string::npos) return {};
  const std::string_view value = std::string_view(answer.headers).substr(at + kName.size());
  return value.substr(0, value.find('\r'));
}

std::string Line(uint64_t number, const Answer& answer) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject().Key("line").Number(number).Key("status").Number(answer.status);
  if (answer.status < 300) {
    // The members of the single answer, without their braces.
    out += ',';
    out.append(answer.body, 1, answer.body.size() - 2);
  } else {
    if (const auto wait = RetryAfterOf(answer); !wait.empty()) json.Key("retry_after").Raw(wait);
    json.Key("problem").Raw(answer.body);
  }
  json.EndObject();
  out += '\n';
  return out;
}

}  // namespace

Batch::Batch(net::Ticket ticket, Host host) : ticket_(ticket), host_(std::move(host)) {}

bool Batch::OnBody(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (!skipping_ && partial_.size() + piece.size() > host_.line_bytes_max) {
      skipping_ = true;
      partial_.clear();
      waiting_.push_back({++line_, std::nullopt});
      ++unanswered_;
      Answered(line_, host_.too_long(host_.line_bytes_max));
    }
    if (end == std::string_view::npos) {
      if (!skipping_) partial_.append(piece);
      break;
    }
    bytes.remove_prefix(end + 1);
    if (skipping_) {
      skipping_ = false;
    } else if (partial_.empty()) {
      TakeLine(piece);
    } else {
      partial_.append(piece);
      TakeLine(partial_);
      partial_.clear();
    }
  }
  paused_ = Full();
  return !paused_;
}

void Batch::TakeLine(std::string_view line) {
  ++line_;
  line = Trim(line);
  if (line.empty()) return;
  waiting_.push_back({line_, std::nullopt});
  ++unanswered_;
  host_.take(line, line_);
}

void Batch::OnEnd() {
  if (!partial_.empty() && !skipping_) TakeLine(partial_);
  partial_ = {};
  ended_ = true;
  FinishIfDone();
}

void Batch::OnAbort() {
  gone_ = true;
  ended_ = true;
  FinishIfDone();
}

void Batch::Answered(uint64_t line, const Answer& answer) {
  const auto entry = std::ranges::lower_bound(waiting_, line, {}, &Waiting::line);
  if (entry == waiting_.end() || entry->line != line || entry->out) return;
  entry->out = Line(line, answer);
  --unanswered_;
  if (entry == waiting_.begin()) Flush();
  FinishIfDone();
}

void Batch::Flush() {
  if (!gone_ && !writer_) {
    writer_ = host_.loop.RespondStreaming(ticket_, {.content_type = "application/x-ndjson"});
    if (writer_) {
      writer_->OnDrained([this] {
        blocked_ = false;
        Flush();
        FinishIfDone();
      });
      writer_->OnClosed([this](bool complete) {
        if (complete) return;
        writer_ = nullptr;
        gone_ = true;
      });
    } else {
      gone_ = true;
    }
  }
  std::string out;
  while (!waiting_.empty() && waiting_.front().out) {
    if (!gone_) out += *waiting_.front().out;
    waiting_.pop_front();
  }
  if (!out.empty() && writer_ && !writer_->Write(out)) blocked_ = true;
  if (paused_ && !Full() && waiting_.size() * 2 <= host_.lines_waiting_max) {
    paused_ = false;
    host_.loop.ResumeBody(ticket_);
  }
}

void Batch::FinishIfDone() {
  if (finished_ || !ended_ || unanswered_ > 0) return;
  if (!gone_ && !waiting_.empty()) return;
  if (!gone_ && !writer_) Flush();  // an empty batch has an empty answer
  if (writer_) {
    net::BodyWriter* writer = writer_;
    writer_ = nullptr;
    // Its callbacks refer to this object.
    writer->OnDrained({});
    writer->OnClosed([](bool) {});
    writer->End();
  }
  finished_ = true;
  host_.finished();
}

}  // namespace weir::epro
