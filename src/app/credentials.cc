#include "app/credentials.h"

#include <utility>

#include "app/wiring.h"

namespace weir::app {
namespace {

// `changed`: whether they were read anew.
void TellTokens(observe::Log& log, const base::Result<bool>& changed) {
  if (!changed) {
    log.Error("tokens.unreadable", "the tokens could not be read; those of before are in force",
              {observe::Because(changed.error())});
  } else if (*changed) {
    log.Info("tokens.reloaded", "the tokens were read anew");
  }
}

void TellTls(observe::Log& log, const base::Result<bool>& changed) {
  if (!changed) {
    log.Error("tls.unreadable", "the certificate could not be read; the one of before is in force",
              {observe::Because(changed.error())});
  } else if (*changed) {
    log.Info("tls.reloaded", "the certificate was read anew");
  }
}

base::Result<bool> Anew(const base::Status& read) {
  if (!read) return base::Fail(read.error());
  return true;
}

}  // namespace

base::Result<std::unique_ptr<Credentials>> Credentials::Load(const config::Config& config,
                                                             const base::Clock& clock) {
  std::shared_ptr<net::TlsContext> tls;
  if (config.tls.on()) {
    WEIR_ASSIGN_OR_RETURN(tls, net::TlsContext::Load(TlsOptions(config), clock));
  }
  std::unique_ptr<Credentials> credentials(new Credentials(config, std::move(tls)));
  WEIR_RETURN_IF_ERROR(credentials->tokens_.Reload());
  return credentials;
}

Credentials::Credentials(const config::Config& config, std::shared_ptr<net::TlsContext> tls)
    : tokens_(security::TokensPath(config.data_dir)), tls_(std::move(tls)) {}

void Credentials::ReloadChanged(observe::Log& log) {
  TellTokens(log, tokens_.ReloadIfChanged());
  if (tls_) TellTls(log, tls_->ReloadIfChanged());
}

void Credentials::Reload(observe::Log& log) {
  TellTokens(log, Anew(tokens_.Reload()));
  if (tls_) TellTls(log, Anew(tls_->Reload()));
}

}  // namespace weir::app
