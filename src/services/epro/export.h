// The research tables as CSV (RFC 4180), a piece at a time.
//
// A cut at an offset holds what the records below that offset made: reports, and replays out of
// quarantine. It is the same to the byte whenever and however often it is made, and after a rebuild
// with the same key. Columns: docs/research.md.
//
// Each Next() is a short read of its own; the connection may be another one each time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/offset.h"
#include "base/result.h"
#include "store/database.h"

namespace weir::epro {

enum class ExportTable { kReports, kItems, kScores };
// "reports", "items", "scores".
std::optional<ExportTable> ParseExportTable(std::string_view name);

class Export {
 public:
  // `at`: nullopt for all that is applied now. kUnavailable: not all records below `at` are
  // applied.
  static base::Result<Export> Open(store::Connection& connection, std::string study_id,
                                   ExportTable table, std::optional<base::Offset> at);

  base::Offset at() const { return at_; }

  // Appends the header line first, then rows of at most `reports_max` reports that were looked at
  // (those of other studies included). False: the export is complete.
  base::Result<bool> Next(store::Connection& connection, size_t reports_max, std::string* out);

 private:
  Export(std::string study_id, ExportTable table, base::Offset at)
      : study_id_(std::move(study_id)), table_(table), at_(at) {}

  std::string study_id_;
  ExportTable table_;
  base::Offset at_;
  base::Offset next_;
  bool begun_ = false;
};

}  // namespace weir::epro
