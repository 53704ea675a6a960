#include "services/epro/effects.h"

#include <array>

#include "services/epro/effects/alert_task.h"
#include "services/epro/effects/analytics_task.h"
#include "services/epro/effects/diary_task.h"
#include "services/epro/effects/reading.h"
#include "services/epro/effects/row_tasks.h"
#include "services/epro/effects/shared_texts.h"

namespace weir::epro {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using wire::Kind;

constexpr size_t kMasterKeyBytesMin = 32;

class Effects final : public tasks::Service {
 public:
  Effects(EffectsOptions options, const journal::Journal& journal, alerts::Inbox& inbox)
      : reader_(std::move(options.master_key), journal),
        inbox_(inbox),
        cleanse_(texts_),
        assess_(texts_),
        alert_(texts_, inbox),
        analytics_(texts_),
        research_(texts_),
        diary_(texts_),
        tasks_{&cleanse_, &assess_, &alert_, &analytics_, &research_, &diary_} {}

  Result<std::unique_ptr<tasks::Computed>> Compute(const journal::Block& block,
                                                   const tasks::Instruments& instruments,
                                                   std::optional<Offset> as_of) const override {
    return reader_.Read(block, instruments, as_of);
  }
  std::span<tasks::Task* const> tasks() override { return tasks_; }

  Status OpenControls(store::Connection& connection) override {
    connection_ = &connection;
    return texts_.Open(connection);
  }

  Status ApplyControl(const journal::RecordView& record) override {
    const auto unreadable = [](const base::Error& error) {
      return Fail(ErrorCode::kInvalidArgument, error.message);
    };
    switch (static_cast<Kind>(record.kind)) {
      case Kind::kAlertAcknowledged:
      case Kind::kAlertEscalated: {
        const auto head = wire::DecodeAlertAction(record.head);
        if (!head) return unreadable(head.error());
        const bool acknowledged = record.kind == static_cast<uint16_t>(Kind::kAlertAcknowledged);
        return acknowledged
                   ? inbox_.ApplyAcknowledged(*connection_, *head, record.offset, record.time_ms)
                   : inbox_.ApplyEscalated(*connection_, *head, record.offset, record.time_ms);
      }
      case Kind::kDelivery: {
        const auto head = wire::DecodeDelivery(record.head);
        if (!head) return unreadable(head.error());
        return inbox_.ApplyDelivery(*connection_, *head, record.time_ms);
      }
      default:
        return {};  // not this service's
    }
  }

  void Committed() override {
    texts_.Committed();
    inbox_.Committed();
  }
  void RolledBack() override { texts_.RolledBack(); }

 private:
  const Reader reader_;
  alerts::Inbox& inbox_;
  store::Connection* connection_ = nullptr;
  SharedTexts texts_;
  Cleanse cleanse_;
  Assess assess_;
  AlertTask alert_;
  Analytics analytics_;
  Research research_;
  Diary diary_;
  const std::array<tasks::Task*, 6> tasks_;
};

}  // namespace

Result<std::unique_ptr<tasks::Service>> MakeEffects(EffectsOptions options,
                                                    const journal::Journal& journal,
                                                    alerts::Inbox& inbox) {
  if (options.master_key.size() < kMasterKeyBytesMin) {
    return Fail(ErrorCode::kInvalidArgument,
                "the key of the research tables must have at least 32 bytes");
  }
  return std::make_unique<Effects>(std::move(options), journal, inbox);
}

}  // namespace weir::epro
