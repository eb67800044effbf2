#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/model.hpp"

#include <optional>
#include <string>
#include <string_view>

/// For the .cpp files of this folder only.
namespace assay::codecs {

/// The last version of Azure's classic API that was made final.
inline constexpr std::string_view default_api_version = "2024-10-21";

/// Where the routes of a provider stand below its base URL.
class openai_routes {
public:
  explicit openai_routes(const provider_profile& provider) {
    const std::string_view base = provider.base_url;
    if (provider.protocol != wire_protocol::azure_openai || base.ends_with("/v1"))
      return;
    query_ = "?api-version=";
    append_path_segment(query_, provider.api_version.empty() ? default_api_version : provider.api_version);
    if (base.find("/deployments/") != std::string_view::npos) {
      deployment_fixed_ = true;
    } else if (base.ends_with("/deployments")) {
      deployments_ = "/";
    } else {
      others_ = base.ends_with("/openai") ? "" : "/openai";
      deployments_ = others_ + "/deployments/";
    }
  }

  /// A route that Azure has once for each deployment.
  std::string of_model(std::string_view route, std::string_view model) const {
    if (query_.empty())
      return std::string(route);
    std::string out = deployments_;
    if (!deployment_fixed_)
      append_path_segment(out, model);
    return out.append(route).append(query_);
  }

  /// A route beside the deployments, or nothing when the base URL is too deep for it.
  std::optional<std::string> of_all(std::string_view route) const {
    if (!query_.empty() && (deployment_fixed_ || deployments_ == "/"))
      return std::nullopt;
    return std::string(others_).append(route).append(query_);
  }

private:
  std::string query_; ///< Empty: everything stands right below the base URL.
  std::string others_;
  std::string deployments_;
  bool deployment_fixed_ = false; ///< The base URL names the deployment.
};

} // namespace assay::codecs
