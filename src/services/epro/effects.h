// The six tasks of a patient's report: cleanse, assess, alert, analytics, research, diary.
//
// What they write is in schema.cc, and each task's rules in effects/. A report is evaluated once,
// by the definition that its head names; a report that names one that the journal does not hold
// before it goes to the quarantine of the tasks that need it. Conflicts (another body under a taken
// id) are listed and alerted, and nothing else.
//
// Threads: as tasks::Service.
#pragma once

#include <memory>
#include <string>

#include "alerts/inbox.h"
#include "journal/journal.h"
#include "tasks/task.h"

namespace weir::epro {

struct EffectsOptions {
  // From which the pseudonyms of the research tables are made; kept outside the store and never
  // changed, since other pseudonyms would come with another key. At least 32 bytes.
  std::string master_key;
};

// Everything given must outlive the service. kInvalidArgument: the key is too short.
base::Result<std::unique_ptr<tasks::Service>> MakeEffects(EffectsOptions options,
                                                          const journal::Journal& journal,
                                                          alerts::Inbox& inbox);

// "cleanse", …, in the order in which a window is applied.
inline constexpr std::string_view kTaskNames[] = {"cleanse",   "assess",   "alert",
                                                  "analytics", "research", "diary"};

}  // namespace weir::epro
