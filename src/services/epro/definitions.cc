#include "services/epro/definitions.h"

#include "wire/envelope.h"

namespace weir::epro {

base::Status Definitions::Install(journal::Journal& journal, const base::Clock& clock,
                                  std::shared_ptr<const clinical::Catalog> catalog) {
  for (const auto& definition : catalog->all()) {
    const std::string packed = definition->Pack();
    journal::RecordHeader header;
    header.kind = static_cast<uint16_t>(wire::Kind::kDefinition);
    header.flags = journal::kControl;
    header.time_ms = clock.WallMs();
    header.key = wire::DefinitionKey(definition->hash());
    header.sha256 = base::Sha256(packed);
    const auto appended = journal.AppendAndWait(header, {}, packed);
    if (appended.outcome != journal::Outcome::kStored &&
        appended.outcome != journal::Outcome::kDuplicate) {
      return base::Fail(base::ErrorCode::kUnavailable,
                        "the journal did not take the definition of " + definition->name());
    }
  }
  current_.store(std::move(catalog), std::memory_order_release);
  version_.fetch_add(1, std::memory_order_release);
  return {};
}

}  // namespace weir::epro
