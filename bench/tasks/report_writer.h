// Journals PHQ-9 reports as intake would, for the benchmarks of the tasks.
#pragma once

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "base/check.h"
#include "clinical/definition.h"
#include "io/posix_file_system.h"
#include "journal/journal.h"
#include "wire/envelope.h"

namespace weir::bench {

using base::Offset;

struct Sending {
  uint64_t patients = 1, sites = 100;
  double elevated = 0.05, urgent = 0;  // shares
};

template <class T>
T Must(base::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", base::ToString(result.error()).c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Takes batches back, so that the producer may go on.
class Sink final : public journal::HandoverSink {
 public:
  // Called with each batch that is durable, on the journal's thread; may be empty.
  std::function<void(const journal::Handover&)> on_durable;

  void Completed(std::unique_ptr<journal::Handover> batch, bool) noexcept override {
    if (on_durable) on_durable(*batch);
    const std::lock_guard lock(mutex_);
    batch->Clear();
    free_.push_back(std::move(batch));
    returned_.notify_one();
  }
  std::unique_ptr<journal::Handover> Take() {
    std::unique_lock lock(mutex_);
    if (made_ < kBatches) {
      ++made_;
      return std::make_unique<journal::Handover>(this);
    }
    returned_.wait(lock, [this] { return !free_.empty(); });
    auto batch = std::move(free_.back());
    free_.pop_back();
    return batch;
  }
  void WaitAll() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return free_.size() == made_; });
  }

 private:
  static constexpr size_t kBatches = 8;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<journal::Handover>> free_;
  size_t made_ = 0;
};

class ReportWriter {
 public:
  ReportWriter(Sending plan, journal::Journal& journal, const clinical::Definition& definition,
               std::string prefix = "report-")
      : plan_(plan), journal_(journal), definition_(definition), prefix_(std::move(prefix)) {}

  Sink& sink() { return sink_; }

  void Write(uint64_t count) {
    auto batch = sink_.Take();
    for (uint64_t i = 0; i < count; ++i) {
      Add(*batch);
      if (batch->items().size() == 256) {
        Submit(std::move(batch));
        batch = sink_.Take();
      }
    }
    Submit(std::move(batch));
    sink_.WaitAll();
  }

 private:
  void Submit(std::unique_ptr<journal::Handover> batch) {
    while (!journal_.Submit(batch)) journal_.WaitBeyond(journal_.durable_end(), 100);
  }

  void Add(journal::Handover& batch) {
    static constexpr const char* kItems[] = {"44250-9", "44255-8", "44259-0", "44254-1", "44251-7",
                                             "44258-2", "44252-5", "44253-3", "44260-8"};
    static constexpr const char* kCodes[] = {"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"};
    const uint64_t number = written_++;
    const std::string report = prefix_ + std::to_string(number);
    const std::string patient = "patient-" + std::to_string(random_() % plan_.patients);
    const std::string site = "site-" + std::to_string(random_() % plan_.sites);
    const double drawn = double(random_() % 10'000) / 10'000;
    const bool urgent = drawn < plan_.urgent;
    const bool elevated = !urgent && drawn < plan_.urgent + plan_.elevated;
    std::string body = R"({"study_id":"study-1","report_id":")" + report + R"(","patient_id":")" +
                       patient + R"(","site_id":")" + site +
                       R"(","instrument":"phq9","authored_at":"2026-11-24T03:00:00Z","data":{)";
    for (int i = 0; i < 9; ++i) {
      const uint64_t score = i == 8     ? uint64_t{urgent}
                             : elevated ? 1 + random_() % 2
                                        : random_() % 4 == 0;
      body += (i > 0 ? ",\"" : "\"") + std::string(kItems[i]) + "\":\"" + kCodes[score] + '"';
    }
    body += "}}";

    wire::ReportHead head;
    head.study_id = "study-1";
    head.report_id = report;
    head.patient_id = patient;
    head.site_id = site;
    head.instrument = "phq9";
    head.definition_hash = definition_.hash().view();
    head.authored_ms = 1'795'489'200'000;
    head_.clear();
    wire::AppendTo(head_, head);
    journal::RecordHeader header;
    header.kind = static_cast<uint16_t>(wire::Kind::kReport);
    header.time_ms = 1'795'489'260'000 + static_cast<int64_t>(number / 10);
    if (urgent) header.flags = journal::kControl | journal::kUrgent;
    header.key = wire::ReportKey(head.study_id, report);
    header.sha256 = base::Sha256(body);
    batch.Add(header, head_, body, Must(journal_.ProbeDisk(header.key)), 0);
  }

  const Sending plan_;
  journal::Journal& journal_;
  const clinical::Definition& definition_;
  const std::string prefix_;
  Sink sink_;
  std::mt19937_64 random_{1};
  uint64_t written_ = 0;
  std::string head_;
};

inline std::shared_ptr<const clinical::Catalog> LoadCatalog() {
  return Must(clinical::Catalog::Load("config/instruments"));
}

inline void AppendDefinition(journal::Journal& journal, const clinical::Definition& definition) {
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(wire::Kind::kDefinition);
  header.flags = journal::kControl;
  header.key = wire::DefinitionKey(definition.hash());
  const std::string packed = definition.Pack();
  header.sha256 = base::Sha256(packed);
  journal.AppendAndWait(header, "", packed);
}

}  // namespace weir::bench
