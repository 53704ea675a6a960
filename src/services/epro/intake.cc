#include "services/epro/intake.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "base/keyed_hash.h"
#include "clinical/evaluate.h"
#include "net/problem.h"
#include "security/limits.h"
#include "services/epro/batch.h"
#include "services/epro/durable_span.h"
#include "services/epro/media_type.h"

namespace weir::epro {
namespace {

using journal::Handover;
using journal::Outcome;

// Hand-overs kept for use again: two syncs' worth; more only lie idle.
constexpr size_t kSpareMax = 8;
constexpr int kRetryBusySeconds = 1;
constexpr int kRetryNoSpaceSeconds = 10;

constexpr std::string_view kConflictKept =
    "another report is stored under this report_id; this one was kept as a conflict, triaged and "
    "shown to data managers; a new report needs a new report_id";
constexpr std::string_view kConflictLimit =
    "another report is stored under this report_id, and so many conflicts are that this one is not "
    "kept; a new report needs a new report_id";
constexpr std::string_view kTooManyWait = "too many reports wait for the disk; send it again";
constexpr std::string_view kTooMuch = "more comes in than is taken now; send the report again";
constexpr std::string_view kSendAgain =
    "the report was not durable in time; send it again, which is always safe";

void Bump(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

// With a secret of this process, so that nobody can choose to share a cell with another study.
uint64_t StudyHash(std::string_view study) {
  static const uint64_t secret = base::DrawSecret();
  return base::KeyedHash(secret, study);
}

void AppendReceipt(base::JsonWriter& json, base::Offset offset, const base::Digest& sha256) {
  json.Key("receipt").BeginObject();
  json.Key("offset").Number(offset.value());
  json.Key("sha256").String(sha256.hex());
  json.EndObject();
}

// The answer to a report that is stored, which is most of what this program says: written without
// a general writer. `received_ms`: nothing, when the stored record is no longer on this disk.
void AppendAcknowledgement(std::string& out, std::string_view report_id,
                           std::optional<int64_t> received_ms, base::Offset offset,
                           const base::Digest& sha256, bool repeat) {
  out += R"({"message":"Report received and queued for processing.","report_id":")";
  base::AppendJsonEscaped(out, report_id);
  if (received_ms) {
    out += R"(","received_at":")";
    base::AppendTime(out, *received_ms);
  }
  out += R"(","receipt":{"offset":)";
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, offset.value()).ptr);
  out += R"(,"sha256":")";
  base::AppendHex(out, sha256.view());
  out += repeat ? R"("},"duplicate":true})" : R"("}})";
}

std::string ConflictMembers(std::string_view report_id, const Handover::Item& item) {
  std::string out;
  base::JsonWriter json(out);
  json.Key("report_id").String(report_id);
  if (item.outcome != Outcome::kConflictLimit) AppendReceipt(json, item.offset, item.header.sha256);
  return out;
}

std::string Errors(const std::vector<FieldProblem>& problems) {
  std::string out;
  base::JsonWriter json(out);
  json.Key("errors").BeginArray();
  for (const FieldProblem& problem : problems) {
    json.BeginObject().Key("path").String(problem.path).Key("detail").String(problem.detail);
    json.EndObject();
  }
  json.EndArray();
  return out;
}

}  // namespace

Intake::Intake(net::Loop& loop, journal::Journal& journal, Definitions& definitions,
               exec::WorkerPool& helpers, const base::Clock& clock, guard::Gate& gate,
               guard::RateLimits& limits, const IntakeOptions& options)
    : loop_(loop),
      journal_(journal),
      definitions_(definitions),
      helpers_(helpers),
      clock_(clock),
      gate_(gate),
      limits_(limits),
      options_(options),
      waiting_(loop.deadlines(), [this](const Origin& origin) {
        gate_.Unqueued();
        Send(origin, Expired(origin));
      }) {}

Intake::~Intake() = default;

Intake::Origin Intake::From(const security::Call& call) {
  Origin origin{.ticket = call.request.ticket,
                .deadline_ns = call.deadline_ns,
                .mark = call.mark,
                .span = call.span,
                .span_mark = call.span_mark,
                .trace_kept = call.trace_kept};
  std::ranges::copy(call.trace_id.substr(0, origin.trace_id.size()), origin.trace_id.begin());
  return origin;
}

void Intake::Submit(const security::Call& call) {
  const Origin origin = From(call);
  if (!IsJson(call.request.content_type)) {
    return Send(origin, Refuse(origin, 415, "unsupported-media-type",
                               "send the report as Content-Type: application/json"));
  }
  Take(call.request.body, call.identity, origin, call.trace_state);
}

void Intake::Take(std::string_view body, const security::Identity& identity, const Origin& origin,
                  std::string_view trace_state) {
  if (origin.deadline_ns <= loop_.now_ns()) return Send(origin, Expired(origin));
  const ParsedReport parsed = ParseReport(body, options_.limits);
  if (!parsed.ok()) {
    Bump(stats_.invalid);
    return Send(origin,
                parsed.malformed.empty()
                    ? Refuse(origin, 422, "invalid-report", "some fields of the report are wrong",
                             0, Errors(parsed.problems))
                    : Refuse(origin, 400, "malformed", parsed.malformed));
  }
  const Report& report = parsed.report;
  if (!identity.Allows(security::Scope::kSubmit, report.study_id)) {
    return Send(origin,
                Refuse(origin, 403, "forbidden", "this token may not submit to this study"));
  }
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(wire::Kind::kReport);
  header.time_ms = clock_.WallMs();
  header.key = wire::ReportKey(report.study_id, report.report_id);
  journal_.PrefetchProbe(header.key);  // the triage and the hash take longer than memory
  wire::ReportHead head{.study_id = report.study_id,
                        .report_id = report.report_id,
                        .patient_id = report.patient_id,
                        .site_id = report.site_id,
                        .doctor_id = report.doctor_id,
                        .instrument = report.instrument,
                        .definition_hash = {},
                        .authored_ms = report.authored_ms,
                        .sender = identity.name,
                        .trace_id = origin.trace_kept ? std::string_view(origin.trace_id.data(), 32)
                                                      : std::string_view(),
                        .span = origin.span.none() ? std::string_view() : origin.span.view(),
                        .trace_state = trace_state};
  Govern(report, &head, &header);
  if (!LetIn((header.flags & journal::kUrgent) != 0, report.study_id, origin)) return;
  header.sha256 = base::Sha256(body);
  head_.clear();
  wire::AppendTo(head_, head);
  const uint64_t name = waiting_.Add(origin);
  gate_.Queued();
  if (auto probe = journal_.ProbeMemory(header.key)) {
    Gather(header, head_, body, std::move(*probe), name);
  } else {
    ProbeOnDisk(name, {header, head_, std::string(body)});
  }
}

void Intake::Govern(const Report& report, wire::ReportHead* head, journal::RecordHeader* header) {
  if (const uint64_t version = definitions_.version(); version != catalog_version_) {
    catalog_ = definitions_.current();
    catalog_version_ = version;
  }
  const clinical::FirstLook look = clinical::LookAt(*catalog_, report.instrument, report.data_json);
  if (!head->authored_ms) head->authored_ms = look.authored_ms;
  if (!look.definition) {
    if (!report.instrument.empty()) Bump(stats_.unknown_instrument);
    return;
  }
  head->instrument = look.definition->name();
  head->definition_hash = look.definition->hash().view();
  if (look.triage.level == clinical::Level::kUrgent) {
    header->flags |= journal::kUrgent | journal::kControl;
    Bump(stats_.urgent);
  }
}

bool Intake::LetIn(bool urgent, std::string_view study, const Origin& origin) {
  if (!urgent && limits_.Limits(guard::LimitKind::kStudy)) {
    const auto decision = limits_.Take(guard::LimitKind::kStudy, study, loop_.now_ns());
    if (!decision.allowed) {
      Bump(stats_.busy);
      Answer answer = Refuse(origin, 429, "rate-limited",
                             security::RateLimitDetail(guard::LimitKind::kStudy, decision));
      answer.headers =
          security::RateLimitHeaders(guard::LimitKind::kStudy, decision, gate_.Random());
      Send(origin, answer);
      return false;
    }
  }
  std::string_view detail = kTooManyWait;
  if (origin.batch) {
    if (gate_.EnterLine(urgent)) return true;
  } else {
    const int64_t now_ns = loop_.now_ns();
    const guard::Gate::Entry entry = gate_.EnterReport(urgent, StudyHash(study), now_ns);
    if (entry.admitted) {
      loop_.SetMark(
          origin.ticket,
          {.value = entry.token | origin.mark, .span = origin.span_mark, .since_ns = now_ns});
      return true;
    }
    if (entry.reason != guard::Reason::kQueueing && entry.reason != guard::Reason::kDisk) {
      detail = kTooMuch;
    }
  }
  Bump(stats_.busy);
  Answer answer = Refuse(origin, 503, "overloaded", detail);
  const auto of = urgent ? guard::Criticality::kUrgent : guard::Criticality::kReport;
  answer.headers = net::RetryAfter(gate_.RetryAfterSeconds(of, loop_.now_ns()));
  Send(origin, answer);
  return false;
}

void Intake::Gather(const journal::RecordHeader& header, std::string_view head,
                    std::string_view body, journal::Probe probe, uint64_t name) {
  if (!gathering_) {
    if (spare_.empty()) {
      gathering_ = std::make_unique<Handover>(this);
    } else {
      gathering_ = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (gathering_->empty()) gathering_since_ns_ = loop_.now_ns();
  gathering_->Add(header, head, body, std::move(probe), name);
}

void Intake::ProbeOnDisk(uint64_t name, Parked record) {
  const size_t bytes = record.head.size() + record.body.size() + sizeof record;
  auto parked = std::make_shared<Parked>(std::move(record));
  const bool taken = helpers_.TrySubmit(
      [this, name, parked] {
        auto probe =
            std::make_shared<base::Result<journal::Probe>>(journal_.ProbeDisk(parked->header.key));
        loop_.Post([this, name, parked, probe] {
          if (*probe) {
            Gather(parked->header, parked->head, parked->body, std::move(**probe), name);
          } else {
            ReplyRefused(name, 503, "unavailable", "the index of stored reports could not be read",
                         kRetryNoSpaceSeconds);
          }
        });
      },
      bytes);
  if (!taken) ReplyBusy(name);
}

bool Intake::OnTurnEnd() {
  if (!gathering_ || gathering_->empty()) return false;
  if (gathering_->items().size() < options_.gather_records_max &&
      loop_.now_ns() - gathering_since_ns_ < options_.gather_ns_max) {
    return true;
  }
  HandOver();
  return false;
}

void Intake::HandOver() {
  if (!gathering_ || gathering_->empty()) return;
  gathering_->begun_ns = gathering_since_ns_;
  if (journal_.Submit(gathering_)) {
    gathering_.reset();
    return;
  }
  for (const Handover::Item& item : gathering_->items()) ReplyBusy(item.ticket);
  gathering_->Clear();
}

void Intake::Completed(std::unique_ptr<Handover> batch, bool last) noexcept {
  {
    const std::lock_guard lock(returned_mutex_);
    returned_.push_back(std::move(batch));
  }
  if (last) loop_.Post([this] { CollectReturned(); });
}

void Intake::CollectReturned() {
  {
    const std::lock_guard lock(returned_mutex_);
    collected_.swap(returned_);
  }
  for (auto& batch : collected_) {
    for (const Handover::Item& item : batch->items()) Finish(*batch, item);
    TellGate(*batch);
    batch->Clear();
    if (spare_.size() < kSpareMax) spare_.push_back(std::move(batch));
  }
  collected_.clear();
}

void Intake::TellGate(const Handover& batch) {
  if (batch.sync_ns == 0) return;  // nothing was written: it says nothing about the disk
  gate_.Served({.records = static_cast<int64_t>(batch.items().size()),
                .service_ns = batch.sync_ns,
                .waited_ns = batch.completed_ns - batch.begun_ns,
                .busy_ns = batch.syncs_ns},
               batch.completed_ns);
}

void Intake::Finish(const Handover& batch, const Handover::Item& item) {
  if (options_.spans) TraceDurable(batch, item);
  const std::string_view report_id = wire::ReportIdOf(batch.head(item));
  switch (item.outcome) {
    case Outcome::kStored:
      Bump(stats_.stored);
      stored_.body.clear();
      AppendAcknowledgement(stored_.body, report_id, item.header.time_ms, item.offset,
                            item.header.sha256, false);
      return Reply(item.ticket, stored_);
    case Outcome::kDuplicate:
      Bump(stats_.repeated);
      return AnswerRepeat(item.ticket, report_id, item);
    case Outcome::kConflict:
    case Outcome::kRepeatedConflict:
      Bump(stats_.conflicts);
      return ReplyRefused(item.ticket, 409, "report-conflict", kConflictKept, 0,
                          ConflictMembers(report_id, item));
    case Outcome::kConflictLimit:
      Bump(stats_.conflicts);
      return ReplyRefused(item.ticket, 409, "report-conflict-limit", kConflictLimit, 0,
                          ConflictMembers(report_id, item));
    case Outcome::kProbeAgain:
      return ProbeOnDisk(
          item.ticket, {item.header, std::string(batch.head(item)), std::string(batch.body(item))});
    case Outcome::kNoSpace:
      Bump(stats_.no_space);
      return ReplyRefused(item.ticket, 507, "no-space",
                          "the disk is full; the report was not stored; send it again",
                          kRetryNoSpaceSeconds);
    case Outcome::kPending:
    case Outcome::kStopped:
      return ReplyRefused(item.ticket, 503, "stopping", kSendAgain, kRetryBusySeconds);
  }
}

void Intake::TraceDurable(const Handover& batch, const Handover::Item& item) const {
  const Origin* origin = waiting_.Find(item.ticket);
  if (!origin || origin->span_mark == 0 || item.outcome != Outcome::kStored) return;
  options_.spans->Add(DurableSpan({origin->trace_id.data(), origin->trace_id.size()}, origin->span,
                                  item.offset, batch.begun_ns, batch.completed_ns));
}

// The answer to a repeat says when the first one was received, which only its record knows.
void Intake::AnswerRepeat(uint64_t name, std::string_view report_id, const Handover::Item& item) {
  const bool taken = helpers_.TrySubmit(
      [this, name, id = std::string(report_id), offset = item.offset, sha256 = item.header.sha256] {
        const auto record = journal_.ReadOne(offset);
        std::optional<int64_t> received_ms;
        if (record) received_ms = record->time_ms;
        auto answer = std::make_shared<Answer>(Answer{.status = 200});
        AppendAcknowledgement(answer->body, id, received_ms, offset, sha256, true);
        loop_.Post([this, name, answer] { Reply(name, *answer); });
      });
  if (!taken) ReplyBusy(name);
}

void Intake::Reply(uint64_t name, const Answer& answer) {
  const std::optional<Origin> origin = waiting_.Take(name);
  if (!origin) return;  // answered with 504 already
  gate_.Unqueued();
  Send(*origin, answer);
}

void Intake::ReplyRefused(uint64_t name, int status, std::string_view type, std::string_view detail,
                          int retry_after_s, std::string_view members) {
  if (const Origin* origin = waiting_.Find(name)) {
    Reply(name, Refuse(*origin, status, type, detail, retry_after_s, members));
  }
}

void Intake::ReplyBusy(uint64_t name) {
  Bump(stats_.busy);
  ReplyRefused(name, 503, "overloaded", kTooManyWait, kRetryBusySeconds);
}

void Intake::Send(const Origin& origin, const Answer& answer) {
  if (origin.batch) return origin.batch->Answered(origin.line, answer);
  loop_.Respond(origin.ticket, {.status = answer.status,
                                .content_type = answer.status < 400 ? "application/json"
                                                                    : net::kProblemContentType,
                                .headers = answer.headers,
                                .body = answer.body});
}

Answer Intake::Expired(const Origin& origin) {
  Bump(stats_.expired);
  return Refuse(origin, 504, "not-durable-in-time", kSendAgain, kRetryBusySeconds);
}

Answer Intake::Refuse(const Origin& origin, int status, std::string_view type,
                      std::string_view detail, int retry_after_s, std::string_view members) {
  return {status,
          net::ProblemJson(status, type, detail, {origin.trace_id.data(), origin.trace_id.size()},
                           members),
          retry_after_s > 0 ? net::RetryAfter(retry_after_s, gate_.Random()) : std::string()};
}

net::BodyReader* Intake::BeginBatch(const security::Call& call) {
  const Origin origin = From(call);
  if (!IsJsonLines(call.request.content_type)) {
    Send(origin, Refuse(origin, 415, "unsupported-media-type",
                        "send the reports as Content-Type: application/x-ndjson"));
    return nullptr;
  }
  if (batches_.size() >= options_.batches_max) {
    Bump(stats_.busy);
    Send(origin, Refuse(origin, 503, "overloaded", "too many batches are being read; send it again",
                        kRetryBusySeconds));
    return nullptr;
  }
  // The batch is made after the callbacks that name it.
  auto self = std::make_shared<Batch*>(nullptr);
  Batch::Host host{.loop = loop_,
                   .line_bytes_max = options_.line_bytes_max,
                   .lines_waiting_max = options_.lines_waiting_max};
  host.take = [this, self, origin, identity = call.identity, given = call.deadline_given,
               state = std::string(call.trace_state)](std::string_view body, uint64_t line) {
    Origin of_line = origin;
    of_line.batch = *self;
    of_line.line = line;
    if (!given) of_line.deadline_ns = loop_.now_ns() + options_.deadline_ms * int64_t{1'000'000};
    Take(body, identity, of_line, state);
  };
  host.too_long = [this, origin](size_t limit) {
    Bump(stats_.invalid);
    return Refuse(origin, 413, "too-large", "a line may hold " + std::to_string(limit) + " bytes");
  };
  host.finished = [this, self] {
    // Called from within the batch: it is destroyed in a turn of its own.
    loop_.Post([this, batch = *self] {
      std::erase_if(batches_, [batch](const auto& other) { return other.get() == batch; });
    });
  };
  batches_.push_back(std::make_unique<Batch>(call.request.ticket, std::move(host)));
  *self = batches_.back().get();
  return *self;
}

}  // namespace weir::epro
