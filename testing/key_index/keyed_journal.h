// A journal as its dedupe index sees it, with a model beside it that says what each answer has to
// be. Plays the part of the journal's thread and of its owner: probes, admits, makes durable,
// replays.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/sha256.h"
#include "io/file_system.h"
#include "journal/key_index.h"

namespace weir::testing {

inline journal::Key KeyOf(uint64_t number) {
  return journal::MakeKey("test", std::to_string(number));
}
inline journal::Digest DigestOf(uint64_t number) {
  return base::Sha256("body " + std::to_string(number));
}

struct KeyedReport {
  journal::Key key;
  journal::Digest sha256;
};

class KeyedJournal {
 public:
  KeyedJournal(io::FileSystem& files, journal::KeyIndexOptions options)
      : files_(files), options_(std::move(options)) {
    chains_[0] = {};
  }

  // Opens the index and replays what it does not cover, in the batches that were written.
  base::Status Open() {
    auto opened = journal::KeyIndex::Open(files_, options_);
    if (!opened) return base::Fail(opened.error());
    index_ = std::move(*opened);
    const auto covered = index_->covered();
    replayed_from_ = covered.end;
    EXPECT_LE(covered.end.value(), records_.size());
    const auto chain = chains_.find(covered.end.value());
    EXPECT_TRUE(chain != chains_.end() && chain->second == covered.chain)
        << "covered() is no batch's end";
    uint64_t at = covered.end.value();
    for (auto batch = chains_.upper_bound(at); batch != chains_.end(); ++batch) {
      for (; at < batch->first; ++at) {
        if (auto status = index_->Replay(records_[at]); !status) return status;
      }
      index_->Durable(journal::Offset(batch->first), batch->second);
    }
    return {};
  }
  // Ends as a killed process does.
  void Kill() { index_.reset(); }
  base::Status Stop() {
    auto status = index_->Stop();
    Kill();
    return status;
  }

  // From here on a look-up that the disk refuses is not a failure of the test: the report is
  // refused, as the journal's owner would do.
  void AllowRefusals() { refusals_allowed_ = true; }

  journal::KeyIndex& index() { return *index_; }
  // Where the last Open() began to replay.
  journal::Offset replayed_from() const { return replayed_from_; }
  size_t size() const { return records_.size(); }

  // Admits the batch and makes it durable. Every verdict is compared with the model's.
  std::vector<journal::Admitted> Submit(const std::vector<KeyedReport>& batch) {
    std::vector<journal::Admitted> outcomes;
    for (const KeyedReport& report : batch) outcomes.push_back(Admit(report));
    MakeDurable();
    return outcomes;
  }

  // Admits one; nothing is durable before MakeDurable().
  journal::Admitted Admit(const KeyedReport& report) {
    const journal::Offset next(records_.size());
    journal::Admitted admitted;
    do {
      const auto probe = Look(report.key);
      if (!probe) return {journal::Verdict::kIndexFull, next};
      admitted = index_->Admit(report.key, report.sha256, *probe, next);
    } while (admitted.verdict == journal::Verdict::kProbeAgain);
    const journal::Admitted expected = Expect(report);
    if (admitted.verdict == journal::Verdict::kIndexFull) {
      EXPECT_TRUE(expected.verdict == journal::Verdict::kAppend ||
                  expected.verdict == journal::Verdict::kAppendConflicting);
      return admitted;
    }
    EXPECT_EQ(admitted.verdict, expected.verdict);
    EXPECT_EQ(admitted.offset, expected.offset);
    if (expected.verdict == journal::Verdict::kAppend) Append(report, false);
    if (expected.verdict == journal::Verdict::kAppendConflicting) Append(report, true);
    return admitted;
  }
  void MakeDurable() {
    if (chains_.rbegin()->first == records_.size()) return;
    std::string chained(chains_.rbegin()->second.view());
    base::AppendInt(chained, uint64_t{records_.size()});
    const journal::Digest chain = base::Sha256(chained);
    chains_[records_.size()] = chain;
    index_->Durable(journal::Offset(records_.size()), chain);
  }
  // What a crash does to records that are not durable.
  void ForgetUnwritten() {
    const uint64_t end = chains_.rbegin()->first;
    for (; records_.size() > end; records_.pop_back()) known_[records_.back().key].pop_back();
  }

  // What is stored under a key must be exactly what the model says.
  void CheckFind(const journal::Key& key) {
    auto found = index_->Find(key);
    if (!found && refusals_allowed_) found = index_->Find(key);
    ASSERT_TRUE(found) << base::ToString(found.error());
    const auto& known = known_[key];
    ASSERT_EQ(found->size(), known.size());
    for (size_t i = 0; i < known.size(); ++i) {
      EXPECT_EQ((*found)[i].offset, known[i].offset);
      EXPECT_EQ((*found)[i].sha256, known[i].sha256);
      EXPECT_EQ((*found)[i].conflicting, known[i].conflicting);
    }
  }
  void CheckAll() {
    std::set<journal::Key> keys;
    for (const auto& record : records_) keys.insert(record.key);
    for (const auto& key : keys) {
      if (!key.none()) CheckFind(key);
    }
  }

  base::Result<journal::Probe> Look(const journal::Key& key) {
    if (auto probe = index_->ProbeMemory(key)) return *probe;
    auto probe = index_->ProbeDisk(key);
    EXPECT_TRUE(probe || refusals_allowed_) << base::ToString(probe.error());
    return probe;
  }

 private:
  journal::Admitted Expect(const KeyedReport& report) {
    using journal::Verdict;
    const journal::Offset next(records_.size());
    if (report.key.none()) return {Verdict::kAppend, next};
    const auto& known = known_[report.key];
    if (known.empty()) return {Verdict::kAppend, next};
    for (const auto& body : known) {
      if (body.sha256 != report.sha256) continue;
      return {body.conflicting ? Verdict::kRepeatedConflict : Verdict::kDuplicate, body.offset};
    }
    if (known.size() > options_.conflicts_per_key_max) {
      return {Verdict::kConflictLimit, known.front().offset};
    }
    return {Verdict::kAppendConflicting, next};
  }

  void Append(const KeyedReport& report, bool conflicting) {
    journal::RecordView record;
    record.key = report.key;
    record.sha256 = report.sha256;
    record.flags = conflicting ? journal::kConflicting : 0;
    record.offset = journal::Offset(records_.size());
    known_[report.key].push_back({report.sha256, record.offset, conflicting});
    records_.push_back(record);
  }
  io::FileSystem& files_;
  const journal::KeyIndexOptions options_;
  std::unique_ptr<journal::KeyIndex> index_;
  std::vector<journal::RecordView> records_;
  std::map<uint64_t, journal::Digest> chains_;  // by end of batch
  std::map<journal::Key, std::vector<journal::KnownBody>> known_;
  journal::Offset replayed_from_;
  bool refusals_allowed_ = false;
};

}  // namespace weir::testing
