#include "actors/fleet/http_transport.hpp"

#include "core/codecs/wire_codec.hpp"
#include "io/http_pool.hpp"

#include <utility>

namespace assay {

namespace {

class http_transport final : public transport {
public:
  explicit http_transport(std::shared_ptr<io::http_pool> pool) : pool_(std::move(pool)) {}
  ~http_transport() override { pool_->close(milliseconds{0}); }
  http_transport(const http_transport&) = delete;
  http_transport& operator=(const http_transport&) = delete;

  void submit(std::vector<http_request> requests) override { pool_->submit(std::move(requests)); }
  void cancel(std::vector<uint64_t> ids) override { pool_->cancel(std::move(ids)); }
  void grant(std::vector<http_credit> credits) override { pool_->grant(std::move(credits)); }
  void close() override { pool_->close(milliseconds{0}); }
  size_t open_sockets() const override { return pool_->stats().connections; }

private:
  std::shared_ptr<io::http_pool> pool_;
};

result<io::pool_options> describe(const provider_profile& provider, const http_transport_config& config) {
  auto origin = io::parse_base_url(provider.base_url);
  if (!origin) {
    auto reason = origin.error();
    reason.where = "providers." + provider.id.value + ".base_url";
    return reason;
  }
  io::pool_options options;
  options.proxy.url = provider.base_url.starts_with("https:") ? config.https_proxy : config.http_proxy;
  options.proxy.no_proxy = config.no_proxy;
  options.origin = std::move(*origin);
  const auto codec = codecs::make_codec(provider);
  if (!provider.key.empty())
    options.credentials.push_back(codec->credential(provider.key));
  options.extra_headers = codec->fixed_headers();
  options.max_connections = provider.max_connections > 0 ? provider.max_connections : config.max_connections;
  options.connect_timeout = config.connect_timeout;
  options.tls.extra_ca_file = config.extra_ca_file;
  return options;
}

} // namespace

transport_factory make_http_transports(io::io_runtime& runtime, http_transport_config config) {
  return [&runtime, config = std::move(config)](const provider_profile& provider,
                                                transport_sink sink) -> result<std::unique_ptr<transport>> {
    auto options = describe(provider, config);
    if (!options)
      return options.error();
    auto pool = io::http_pool::make(runtime, std::move(*options), std::move(sink));
    if (!pool)
      return pool.error();
    return std::make_unique<http_transport>(std::move(*pool));
  };
}

} // namespace assay
