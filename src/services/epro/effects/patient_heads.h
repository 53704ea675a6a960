// The newest report of each patient, and a number beside it, for millions of patients.
//
// Reports come in the patients' random order. Written to its table at once, each would touch a page
// of its own, which is logged and copied whole. So a head is appended to a short log first, and the
// table is brought up to date a sixty-fourth at a time, in the order of its keys: then some hundred
// heads share a page. What the log holds is kept in memory too; a head is the log's, or else the
// table's.
//
// Tables NAME(patient, last_offset, value) and NAME_log(id, patient, last_offset, value). A row of
// the log with patient -1 - N says that the N-th part's rows before it are in the table. Once
// settled, the log is empty. Memory: about kLogRows heads of some 60 bytes. Threads: the
// committer's; Read() the connection's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "services/epro/effects/reading.h"
#include "store/database.h"

namespace weir::epro {

class PatientHeads {
 public:
  struct Head {
    Offset last;
    double value = 0;
  };

  explicit PatientHeads(std::string_view table) : table_(table) {}
  base::Status Open(store::Connection& connection);

  base::Result<std::optional<Head>> Load(HashId patient);
  base::Status Save(HashId patient, const Head& head);
  // Brings the table up to date as far as what was saved since the last call asks for.
  base::Status Merge();
  // Goes one step further than that. False: the log was empty already.
  base::Result<bool> Settle();
  bool settled() const { return loaded_ && next_id_ == trimmed_; }

  // What was saved was rolled back, all of it or some: the log says what holds.
  void Forget();

  // For queries, on any connection.
  static base::Result<std::optional<Head>> Read(store::Connection& connection,
                                                std::string_view table, HashId patient);

 private:
  static constexpr int kParts = 64;
  // Rows after which every part has been merged once; the log holds about twice as many at most.
  static constexpr int64_t kLogRows = 65'536;

  using Part = std::unordered_map<HashId, Head>;
  // Ids are hashes of 62 bits.
  static size_t PartOf(HashId patient) { return static_cast<size_t>(patient >> 56) % kParts; }

  base::Status EnsureLoaded();
  void TakeRow(int64_t id, int64_t patient, const Head& head);
  base::Status Append(int64_t patient, const Head& head);
  base::Status MergeNext();

  const std::string table_;
  store::Statement* load_ = nullptr;
  store::Statement* save_ = nullptr;
  store::Statement* append_ = nullptr;
  store::Statement* trim_ = nullptr;
  store::Statement* log_ = nullptr;

  bool loaded_ = false;
  std::array<Part, kParts> parts_;        // what the log holds and the table may not
  std::array<int64_t, kParts> merged_{};  // the part's rows of the log below are in the table
  size_t next_part_ = 0;
  int64_t next_id_ = 0;
  int64_t heads_end_ = 0;  // after the last row of the log that is a head
  int64_t trimmed_ = 0;    // rows below are gone
  int64_t saved_ = 0;      // since a part was merged
};

}  // namespace weir::epro
