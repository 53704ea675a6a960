#include "wire/envelope.h"

#include "base/bytes.h"

namespace weir::wire {
namespace {

using base::AppendInt;
using base::ByteReader;
using base::ErrorCode;
using base::Fail;
using base::Result;

// Of every head; a head with a higher one was written by a newer program.
constexpr uint8_t kVersion = 1;
// Strings carry a 16-bit length; what is longer is cut by the caller's limits long before.
constexpr size_t kStringMax = 0xffff;

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) { out_.push_back(static_cast<char>(kVersion)); }
  template <class T>
  Encoder& Int(T value) {
    AppendInt(out_, value);
    return *this;
  }
  Encoder& String(std::string_view text) {
    text = text.substr(0, kStringMax);
    AppendInt(out_, static_cast<uint16_t>(text.size()));
    out_.append(text);
    return *this;
  }

 private:
  std::string& out_;
};

// Reads a head; `Done` turns a version or a length that does not fit into one error. Bytes after
// the known fields belong to a later version's additions and are ignored.
class Decoder {
 public:
  Decoder(const char* what, std::string_view bytes) : what_(what), reader_(bytes) {
    version_ = reader_.Int<uint8_t>();
  }
  template <class T>
  T Int() {
    return reader_.Int<T>();
  }
  std::string_view String() { return reader_.Bytes(reader_.Int<uint16_t>()); }
  // A field of a later day, which heads written before it end without.
  std::string_view StringIfAny() {
    return reader_.ok() && !reader_.rest().empty() ? String() : std::string_view();
  }

  template <class T>
  Result<T> Done(T head) {
    if (!reader_.ok()) {
      return Fail(ErrorCode::kCorruption, std::string(what_) + " head is shorter than its fields");
    }
    if (version_ != kVersion) {
      return Fail(ErrorCode::kUnsupported, std::string(what_) + " head has version " +
                                               std::to_string(version_) +
                                               "; this program reads version 1");
    }
    return head;
  }

 private:
  const char* what_;
  ByteReader reader_;
  uint8_t version_;
};

// The value that stands for "not given" in an optional time: no instant that can be written.
constexpr int64_t kNoTime = INT64_MIN;

std::string OffsetText(Offset offset) { return std::to_string(offset.value()); }

}  // namespace

void AppendTo(std::string& out, const ReportHead& head) {
  Encoder encoder(out);
  encoder.String(head.study_id)
      .String(head.report_id)
      .String(head.patient_id)
      .String(head.site_id)
      .String(head.doctor_id)
      .String(head.instrument)
      .String(head.definition_hash)
      .Int<int64_t>(head.authored_ms.value_or(kNoTime))
      .String(head.sender)
      .String(head.trace_id);
  if (!head.span.empty() || !head.trace_state.empty()) encoder.String(head.span);
  if (!head.trace_state.empty()) encoder.String(head.trace_state);
}

std::string Encode(const ReportHead& head) {
  std::string out;
  AppendTo(out, head);
  return out;
}

std::string Encode(const AlertActionHead& head) {
  std::string out;
  Encoder(out).Int(head.report.value()).String(head.actor).String(head.note);
  return out;
}

std::string Encode(const DeliveryHead& head) {
  std::string out;
  Encoder(out)
      .Int(head.report.value())
      .Int(head.stage)
      .Int(static_cast<uint8_t>(head.delivered))
      .Int(head.attempts)
      .Int(head.status)
      .String(head.target)
      .String(head.detail);
  return out;
}

std::string Encode(const ReplayHead& head) {
  std::string out;
  Encoder(out).String(head.task).Int(head.record.value()).String(head.actor);
  return out;
}

std::string Encode(const TaskStateHead& head) {
  std::string out;
  Encoder(out).String(head.task).Int(static_cast<uint8_t>(head.paused)).String(head.actor);
  return out;
}

std::string Encode(const AuditHead& head) {
  std::string out;
  Encoder(out)
      .String(head.actor)
      .String(head.action)
      .String(head.route)
      .String(head.study_id)
      .String(head.subject)
      .String(head.trace_id);
  return out;
}

Result<ReportHead> DecodeReport(std::string_view bytes) {
  Decoder in("report", bytes);
  ReportHead head;
  head.study_id = in.String();
  head.report_id = in.String();
  head.patient_id = in.String();
  head.site_id = in.String();
  head.doctor_id = in.String();
  head.instrument = in.String();
  head.definition_hash = in.String();
  if (const auto authored = in.Int<int64_t>(); authored != kNoTime) head.authored_ms = authored;
  head.sender = in.String();
  head.trace_id = in.String();
  head.span = in.StringIfAny();
  head.trace_state = in.StringIfAny();
  return in.Done(head);
}

std::string_view ReportIdOf(std::string_view head) {
  Decoder in("report", head);
  in.String();
  return in.String();
}

Result<AlertActionHead> DecodeAlertAction(std::string_view bytes) {
  Decoder in("alert action", bytes);
  AlertActionHead head;
  head.report = Offset(in.Int<uint64_t>());
  head.actor = in.String();
  head.note = in.String();
  return in.Done(head);
}

Result<DeliveryHead> DecodeDelivery(std::string_view bytes) {
  Decoder in("delivery", bytes);
  DeliveryHead head;
  head.report = Offset(in.Int<uint64_t>());
  head.stage = in.Int<uint8_t>();
  head.delivered = in.Int<uint8_t>() != 0;
  head.attempts = in.Int<uint32_t>();
  head.status = in.Int<uint16_t>();
  head.target = in.String();
  head.detail = in.String();
  return in.Done(head);
}

Result<ReplayHead> DecodeReplay(std::string_view bytes) {
  Decoder in("replay", bytes);
  ReplayHead head;
  head.task = in.String();
  head.record = Offset(in.Int<uint64_t>());
  head.actor = in.String();
  return in.Done(head);
}

Result<TaskStateHead> DecodeTaskState(std::string_view bytes) {
  Decoder in("task state", bytes);
  TaskStateHead head;
  head.task = in.String();
  head.paused = in.Int<uint8_t>() != 0;
  head.actor = in.String();
  return in.Done(head);
}

Result<AuditHead> DecodeAudit(std::string_view bytes) {
  Decoder in("audit", bytes);
  AuditHead head;
  head.actor = in.String();
  head.action = in.String();
  head.route = in.String();
  head.study_id = in.String();
  head.subject = in.String();
  head.trace_id = in.String();
  return in.Done(head);
}

journal::Key ReportKey(std::string_view study_id, std::string_view report_id) {
  return journal::MakeKey("report", study_id, report_id);
}

journal::Key DefinitionKey(const base::Digest& hash) {
  return journal::MakeKey("definition", hash.view());
}

journal::Key AlertActionKey(Kind kind, Offset report) {
  return journal::MakeKey(Name(kind), OffsetText(report));
}

journal::Key DeliveryKey(Offset report, uint8_t stage, std::string_view target) {
  return journal::MakeKey("delivery", OffsetText(report) + "." + std::to_string(stage), target);
}

}  // namespace weir::wire
