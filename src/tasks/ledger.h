// The engine's own rows: cursors, quarantine, and the instruments' versions that were journalled.
//
// Every call is one statement on the connection of Open(), inside the caller's transaction.
// Threads: the connection's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/offset.h"
#include "base/result.h"
#include "journal/record.h"
#include "store/database.h"

namespace weir::tasks {

using base::Offset;

// How far a task has come. A new task starts at the beginning of the journal.
struct Progress {
  Offset cursor;             // everything below is applied or quarantined
  Offset ahead;              // urgent records below are dealt with by the express lane
  bool paused = false;       // by an operator
  uint64_t quarantined = 0;  // rows of quarantine now
  bool operator==(const Progress&) const = default;
};

// A record that a task leaves to a replay, which the journal holds further on.
struct WaitingReplay {
  std::string task;
  Offset record;
  // Of the replay, which came first; nullopt: it is still to come.
  std::optional<Offset> replay;
  auto operator<=>(const WaitingReplay&) const = default;
};
using WaitingReplays = std::set<WaitingReplay>;

class Ledger {
 public:
  static base::Result<Ledger> Open(store::Connection& connection);

  // Nullopt: the store has not heard of it.
  base::Result<std::optional<Progress>> Load(std::string_view task);
  base::Status Save(std::string_view task, const Progress& progress);

  // Keeps a copy of the record, and why. False: it is there already, and stays as it is.
  base::Result<bool> Quarantine(std::string_view task, const journal::RecordView& record,
                                std::string_view reason);
  // The copy; its key is none and its hash is that of the body. Nullopt: not in quarantine.
  base::Result<std::optional<journal::Record>> Quarantined(std::string_view task, Offset record);
  base::Status Release(std::string_view task, Offset record);
  // A replay did not succeed: the new reason, and one attempt more.
  base::Status NoteAttempt(std::string_view task, Offset record, std::string_view reason);

  base::Status AddReplay(std::string_view task, Offset record, Offset replay);
  base::Status RemoveReplay(std::string_view task, Offset record, Offset replay);
  base::Result<WaitingReplays> LoadReplays();

  base::Status AddDefinition(std::string_view packed, Offset offset);
  base::Status ForEachDefinition(
      const std::function<base::Status(std::string_view packed, Offset offset)>& visit);

 private:
  store::Statement* load_ = nullptr;
  store::Statement* save_ = nullptr;
  store::Statement* quarantine_ = nullptr;
  store::Statement* quarantined_ = nullptr;
  store::Statement* release_ = nullptr;
  store::Statement* note_attempt_ = nullptr;
  store::Statement* add_replay_ = nullptr;
  store::Statement* remove_replay_ = nullptr;
  store::Statement* replays_ = nullptr;
  store::Statement* add_definition_ = nullptr;
  store::Statement* definitions_ = nullptr;
  store::Connection* connection_ = nullptr;
};

}  // namespace weir::tasks
