#include "services/epro/effects/patient_heads.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "services/epro/effects/bind.h"

namespace weir::epro {

using base::Fail;
using base::Result;
using base::Status;
using store::Statement;

Status PatientHeads::Open(store::Connection& connection) {
  WEIR_ASSIGN_OR_RETURN(
      load_, connection.Prepare("SELECT last_offset, value FROM " + table_ + " WHERE patient = ?"));
  WEIR_ASSIGN_OR_RETURN(save_, connection.Prepare("REPLACE INTO " + table_ +
                                                  "(patient, last_offset, value)"
                                                  " VALUES(?, ?, ?)"));
  WEIR_ASSIGN_OR_RETURN(append_, connection.Prepare("INSERT INTO " + table_ +
                                                    "_log(id, patient, last_offset, value)"
                                                    " VALUES(?, ?, ?, ?)"));
  WEIR_ASSIGN_OR_RETURN(trim_, connection.Prepare("DELETE FROM " + table_ + "_log WHERE id < ?"));
  WEIR_ASSIGN_OR_RETURN(log_, connection.Prepare("SELECT id, patient, last_offset, value FROM " +
                                                 table_ + "_log ORDER BY id"));
  Forget();
  return EnsureLoaded();
}

void PatientHeads::Forget() {
  loaded_ = false;
  for (Part& part : parts_) part.clear();
}

Status PatientHeads::EnsureLoaded() {
  if (loaded_) return {};
  for (Part& part : parts_) part.clear();
  // Ids go on where they were: rows with later ones were perhaps never committed.
  trimmed_ = heads_end_ = next_id_;
  bool first = true;
  auto row = log_->Step();
  for (; row && *row; row = log_->Step()) {
    const int64_t id = log_->Int(0);
    if (std::exchange(first, false)) trimmed_ = id, merged_.fill(id);
    TakeRow(id, log_->Int(1), Head{ToOffset(log_->Int(2)), log_->Real(3)});
  }
  log_->Reset();
  if (!row) return Fail(std::move(row).error());
  if (first) merged_.fill(trimmed_);
  next_part_ = static_cast<size_t>(std::ranges::min_element(merged_) - merged_.begin());
  loaded_ = true;
  return {};
}

void PatientHeads::TakeRow(int64_t id, int64_t patient, const Head& head) {
  next_id_ = std::max(next_id_, id + 1);
  if (patient >= 0) {
    parts_[PartOf(patient)][patient] = head;
    heads_end_ = id + 1;
    return;
  }
  const auto part = static_cast<size_t>(-1 - patient);
  WEIR_CHECK(part < kParts);
  parts_[part].clear();
  merged_[part] = id + 1;
}

Status PatientHeads::Append(int64_t patient, const Head& head) {
  append_->Bind(1, next_id_).Bind(2, patient).Bind(3, Number(head.last)).Bind(4, head.value);
  WEIR_RETURN_IF_ERROR(append_->Run());
  TakeRow(next_id_, patient, head);
  return {};
}

Result<std::optional<PatientHeads::Head>> PatientHeads::Load(HashId patient) {
  WEIR_RETURN_IF_ERROR(EnsureLoaded());
  const Part& part = parts_[PartOf(patient)];
  if (const auto found = part.find(patient); found != part.end()) {
    return std::optional(found->second);
  }
  load_->Bind(1, patient);
  auto row = load_->Step();
  std::optional<Head> head;
  if (row && *row) head = Head{ToOffset(load_->Int(0)), load_->Real(1)};
  load_->Reset();
  if (!row) return Fail(std::move(row).error());
  return head;
}

Status PatientHeads::Save(HashId patient, const Head& head) {
  WEIR_RETURN_IF_ERROR(EnsureLoaded());
  ++saved_;
  return Append(patient, head);
}

Status PatientHeads::Merge() {
  for (; saved_ >= kLogRows / kParts; saved_ -= kLogRows / kParts) {
    WEIR_RETURN_IF_ERROR(MergeNext());
  }
  return {};
}

Result<bool> PatientHeads::Settle() {
  WEIR_RETURN_IF_ERROR(EnsureLoaded());
  if (settled()) return false;
  WEIR_RETURN_IF_ERROR(MergeNext());
  return true;
}

Status PatientHeads::MergeNext() {
  const Part& part = parts_[next_part_];
  std::vector<std::pair<HashId, Head>> heads(part.begin(), part.end());
  std::ranges::sort(heads, {}, [](const auto& head) { return head.first; });
  for (const auto& [patient, head] : heads) {
    save_->Bind(1, patient).Bind(2, Number(head.last)).Bind(3, head.value);
    WEIR_RETURN_IF_ERROR(save_->Run());
  }
  WEIR_RETURN_IF_ERROR(Append(-1 - static_cast<int64_t>(next_part_), Head{}));
  next_part_ = (next_part_ + 1) % kParts;
  int64_t below = *std::ranges::min_element(merged_);
  if (below >= heads_end_) below = next_id_;  // nothing but such marks is left
  if (below == trimmed_) return {};
  trim_->Bind(1, below);
  WEIR_RETURN_IF_ERROR(trim_->Run());
  trimmed_ = below;
  return {};
}

Result<std::optional<PatientHeads::Head>> PatientHeads::Read(store::Connection& connection,
                                                             std::string_view table,
                                                             HashId patient) {
  // One statement, so that a head on its way from the log to the table is not missed.
  const std::string name(table);
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT last_offset, value FROM (SELECT id, last_offset, value FROM " +
                         name +
                         "_log WHERE patient = ?1 UNION ALL SELECT -1, last_offset, value"
                         " FROM " +
                         name + " WHERE patient = ?1) ORDER BY id DESC LIMIT 1"));
  select->Bind(1, patient);
  auto row = select->Step();
  std::optional<Head> head;
  if (row && *row) head = Head{ToOffset(select->Int(0)), select->Real(1)};
  select->Reset();
  if (!row) return Fail(std::move(row).error());
  return head;
}

}  // namespace weir::epro
