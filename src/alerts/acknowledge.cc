#include "alerts/acknowledge.h"

#include <algorithm>

#include "alerts/control_record.h"
#include "alerts/queries.h"
#include "wire/envelope.h"

namespace weir::alerts {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using journal::Outcome;

namespace {

Status CheckNote(std::string_view note) {
  if (note.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument, "must say what was done");
  }
  if (note.size() > kNoteBytesMax) {
    return Fail(ErrorCode::kInvalidArgument, "must have at most 4096 bytes");
  }
  const bool control = std::any_of(note.begin(), note.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
  });
  if (control) {
    return Fail(ErrorCode::kInvalidArgument, "must not hold control characters");
  }
  return {};
}

Result<Acknowledgement> ReadAcknowledgement(const journal::Journal& journal, Offset offset) {
  WEIR_ASSIGN_OR_RETURN(const journal::Record record, journal.ReadOne(offset));
  WEIR_ASSIGN_OR_RETURN(const wire::AlertActionHead head, wire::DecodeAlertAction(record.head));
  return Acknowledgement{std::string(head.actor), record.time_ms, std::string(head.note)};
}

}  // namespace

Result<Acknowledged> Acknowledge(journal::Journal& journal, store::Connection& reader,
                                 const base::Clock& clock, const AcknowledgeRequest& request) {
  WEIR_RETURN_IF_ERROR(CheckNote(request.note));
  const std::optional<Offset> report = ParseAlertId(request.id);
  if (!report) return Fail(ErrorCode::kNotFound, "there is no such alert");
  Acknowledged result;
  WEIR_ASSIGN_OR_RETURN(result.alert, Get(reader, request.scope, *report));
  result.already = result.alert.acknowledgement.has_value();
  if (result.already) return result;

  const int64_t now_ms = clock.WallMs();
  const auto appended = AppendAction(journal, wire::Kind::kAlertAcknowledged,
                                     {*report, request.actor, request.note}, now_ms);
  if (!IsStored(appended.outcome)) {
    if (appended.outcome == Outcome::kNoSpace) {
      return Fail(ErrorCode::kNoSpace, "the acknowledgement could not be stored: no space");
    }
    return Fail(
        appended.outcome == Outcome::kStopped ? ErrorCode::kStopped : ErrorCode::kUnavailable,
        "the acknowledgement could not be stored: send it again");
  }
  result.already = appended.outcome != Outcome::kStored;
  if (result.already) {
    WEIR_ASSIGN_OR_RETURN(result.alert.acknowledgement,
                          ReadAcknowledgement(journal, appended.offset));
  } else {
    result.alert.acknowledgement = {std::string(request.actor), now_ms, std::string(request.note)};
  }
  result.alert.state = State::kAcknowledged;
  return result;
}

}  // namespace weir::alerts
