// What is computed of a window of reports before any row is written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "clinical/evaluate.h"
#include "journal/journal.h"
#include "tasks/task.h"
#include "wire/envelope.h"

namespace weir::epro {

using base::Offset;

// Identifies a text or a combination of texts in the store: the first bits of a SHA-256 over them.
// Two that collide by chance are as likely as 2^-62 times the square of their number.
using HashId = int64_t;
HashId MakeHashId(std::string_view domain, std::initializer_list<std::string_view> parts);

struct Context {
  std::string study_id, site_id, instrument, definition, rules_version;
};
struct SharedAnswer {
  std::string address, original, code;
  std::optional<double> number, score;
  std::string rules;
};
struct Outcome {
  std::string band, level, reason, unscored_reason;
};

// The shared texts that a window's reports refer to, each once.
struct Shared {
  std::unordered_map<HashId, Context> contexts;
  std::unordered_map<HashId, SharedAnswer> answers;
  std::unordered_map<HashId, Outcome> outcomes;
};

struct Reading {
  bool is_report = false;
  bool conflict = false;
  std::string head_problem;  // the head cannot be read: no task can do anything with it
  std::string problem;       // it cannot be evaluated; empty if it was
  wire::ReportHead head;     // views into the window's block
  HashId context = 0;
  HashId patient = 0;  // of study and patient

  // Of what was evaluated:
  const clinical::Definition* definition = nullptr;
  HashId outcome = 0;
  HashId compared = 0;  // of study, patient and instrument; only with a rule that compares
  std::optional<double> total;
  std::string band;
  clinical::Level level = clinical::Level::kNone;
  std::string reason;
  std::string flags;  // JSON, see schema.cc; likewise the items
  std::string items;
  std::string research_items;          // empty: the same as items
  std::string pseudonym;               // 16 bytes
  std::optional<Offset> first_offset;  // of a conflict
};

class Readings final : public tasks::Computed {
 public:
  Readings();
  const uint64_t serial;         // no two of a process have the same
  std::vector<Reading> records;  // one per record of the block
  Shared shared;
};

// Reads windows; pure but for conflicts' first offsets, which the journal's index tells.
class Reader {
 public:
  Reader(std::string master_key, const journal::Journal& journal)
      : master_key_(std::move(master_key)), journal_(journal) {}
  base::Result<std::unique_ptr<Readings>> Read(const journal::Block& block,
                                               const tasks::Instruments& instruments,
                                               std::optional<Offset> as_of) const;

 private:
  const std::string master_key_;
  const journal::Journal& journal_;
};

}  // namespace weir::epro
