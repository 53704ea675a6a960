#include "services/epro/effects/reading.h"

#include <atomic>
#include <map>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "services/epro/effects/items.h"
#include "services/epro/report_data.h"
#include "wire/kinds.h"

namespace weir::epro {
namespace {

using base::Result;
using journal::RecordView;

constexpr size_t kPseudonymBytes = 16;

// Domain-separated and length-prefixed, like journal::MakeKey(), for any number of parts.
std::string Joined(std::string_view domain, std::initializer_list<std::string_view> parts) {
  std::string joined;
  base::AppendInt(joined, static_cast<uint32_t>(domain.size()));
  joined += domain;
  for (const std::string_view part : parts) {
    base::AppendInt(joined, static_cast<uint32_t>(part.size()));
    joined += part;
  }
  return joined;
}

HashId HashOf(std::string_view joined) {
  const base::Digest digest = base::Sha256(joined);
  uint64_t id = 0;
  for (int i = 0; i < 8; ++i) id = id << 8 | digest.bytes[static_cast<size_t>(i)];
  return static_cast<HashId>(id >> 2);
}

void WriteFlags(const std::vector<clinical::Flag>& flags, std::string& out) {
  base::JsonWriter json(out);
  json.BeginArray();
  for (const clinical::Flag& flag : flags) {
    json.BeginArray().String(flag.rule).String(flag.address).EndArray();
  }
  json.EndArray();
}

// The work on one window: keeps what its reports have in common.
class WindowReading {
 public:
  WindowReading(const std::string& master_key, const journal::Journal& journal,
                const tasks::Instruments& instruments, std::optional<Offset> as_of)
      : master_key_(master_key),
        journal_(journal),
        instruments_(instruments),
        as_of_(as_of),
        out_(std::make_unique<Readings>()),
        items_(out_->shared) {}

  base::Status Read(const RecordView& record) {
    Reading& reading = out_->records.emplace_back();
    reading.is_report = record.kind == static_cast<uint16_t>(wire::Kind::kReport);
    if (!reading.is_report) return {};
    reading.conflict = (record.flags & journal::kConflicting) != 0;
    const auto head = wire::DecodeReport(record.head);
    if (!head) {
      reading.head_problem = head.error().message;
      return {};
    }
    reading.head = *head;
    if (!head->span.empty()) NoteTrace(*head);
    reading.patient = MakeHashId("patient", {head->study_id, head->patient_id});
    if (reading.conflict) WEIR_RETURN_IF_ERROR(FindFirst(record, &reading));
    Evaluate(record, &reading);
    return {};
  }
  std::unique_ptr<Readings> Take() { return std::move(out_); }

 private:
  // Of the record that was added last.
  void NoteTrace(const wire::ReportHead& head) {
    const auto trace = observe::ParseTraceId(head.trace_id);
    const auto span = observe::ParseSpanId(head.span);
    if (!trace || !span) return;
    out_->traced.push_back(
        {out_->records.size() - 1, {*trace, *span, true, std::string(head.trace_state)}});
  }

  base::Status FindFirst(const RecordView& record, Reading* reading) {
    const auto key = wire::ReportKey(reading->head.study_id, reading->head.report_id);
    WEIR_ASSIGN_OR_RETURN(const auto bodies, journal_.Find(key));
    for (const journal::KnownBody& body : bodies) {
      if (!body.conflicting && body.offset < record.offset) reading->first_offset = body.offset;
    }
    return {};
  }

  void Evaluate(const RecordView& record, Reading* reading) {
    const wire::ReportHead& head = reading->head;
    if (!head.definition_hash.empty()) {
      reading->definition = instruments_.Find(head.definition_hash, as_of_.value_or(record.offset));
      if (reading->definition == nullptr) {
        reading->problem = "the journal holds no definition " + base::ToHex(head.definition_hash) +
                           " before this record";
      }
    }
    if (!reading->conflict) reading->context = ContextOf(*reading);
    if (!reading->problem.empty()) return;
    const std::string_view data = ReportData(record.body);
    if (data.empty()) {
      reading->problem = "the body holds no readable value of data";
      return;
    }
    clinical::Evaluation evaluation = clinical::Evaluate(
        reading->definition, data, {.received_ms = record.time_ms, .authored_ms = head.authored_ms},
        !head.instrument.empty());
    reading->level = evaluation.level;
    if (reading->conflict) {
      reading->reason = std::move(evaluation.reason);
      return;  // it has an alert, and no rows that texts could be shared with
    }
    WriteFlags(evaluation.flags, reading->flags);
    items_.Write(reading->definition, evaluation, reading);
    reading->total = evaluation.total;
    reading->outcome = OutcomeOf(evaluation);
    reading->reason = std::move(evaluation.reason);
    reading->band = std::move(evaluation.band);
    reading->pseudonym = PseudonymOf(head);
    if (reading->definition != nullptr && reading->definition->compares() && reading->total) {
      reading->compared =
          MakeHashId("compared", {head.study_id, head.patient_id, reading->definition->name()});
    }
  }

  HashId ContextOf(const Reading& reading) {
    const wire::ReportHead& head = reading.head;
    const clinical::Definition* definition = reading.definition;
    const std::string_view instrument =
        definition != nullptr ? std::string_view(definition->name()) : head.instrument;
    const std::string_view version =
        definition != nullptr ? std::string_view(definition->rules_version()) : std::string_view();
    std::string joined =
        Joined("context", {head.study_id, head.site_id, instrument, head.definition_hash, version});
    const auto [at, added] = contexts_.try_emplace(std::move(joined), 0);
    if (added) {
      at->second = HashOf(at->first);
      out_->shared.contexts.try_emplace(
          at->second,
          Context{std::string(head.study_id), std::string(head.site_id), std::string(instrument),
                  std::string(head.definition_hash), std::string(version)});
    }
    return at->second;
  }

  HashId OutcomeOf(const clinical::Evaluation& evaluation) {
    const std::string_view level = clinical::Name(evaluation.level);
    std::string joined =
        Joined("outcome", {evaluation.band, level, evaluation.reason, evaluation.unscored_reason});
    const auto [at, added] = outcomes_.try_emplace(std::move(joined), 0);
    if (added) {
      at->second = HashOf(at->first);
      out_->shared.outcomes.try_emplace(
          at->second, Outcome{evaluation.band, std::string(level), evaluation.reason,
                              evaluation.unscored_reason});
    }
    return at->second;
  }

  std::string PseudonymOf(const wire::ReportHead& head) {
    auto at = study_keys_.find(head.study_id);
    if (at == study_keys_.end()) {
      const auto key = base::HmacSha256(master_key_, Joined("research", {head.study_id}));
      at = study_keys_.emplace(std::string(head.study_id), key).first;
    }
    const auto digest = base::HmacSha256(at->second.view(), head.patient_id);
    return std::string(digest.view().substr(0, kPseudonymBytes));
  }

  const std::string& master_key_;
  const journal::Journal& journal_;
  const tasks::Instruments& instruments_;
  const std::optional<Offset> as_of_;
  std::unique_ptr<Readings> out_;
  ItemWriter items_;
  std::unordered_map<std::string, HashId> contexts_, outcomes_;
  std::map<std::string, base::Digest, std::less<>> study_keys_;
};

}  // namespace

Readings::Readings()
    : serial([] {
        static std::atomic<uint64_t> last{0};
        return ++last;
      }()) {}

HashId MakeHashId(std::string_view domain, std::initializer_list<std::string_view> parts) {
  return HashOf(Joined(domain, parts));
}

Result<std::unique_ptr<Readings>> Reader::Read(const journal::Block& block,
                                               const tasks::Instruments& instruments,
                                               std::optional<Offset> as_of) const {
  WindowReading window(master_key_, journal_, instruments, as_of);
  for (const RecordView& record : block.records) WEIR_RETURN_IF_ERROR(window.Read(record));
  return window.Take();
}

}  // namespace weir::epro
