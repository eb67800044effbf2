#include "actors/runs/admission.hpp"

#include "config/load.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace assay::test {
namespace {

class admission_of_addresses : public testing::Test {
protected:
  admission_of_addresses() {
    auto pattern = (std::filesystem::temp_directory_path() / "assay-admission-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    config::load_request request;
    request.working_dir = request.home_dir = folder_.string();
    config.settings = std::make_shared<const config::settings>(config::load(request).value());
    config.tasks = std::make_shared<const tasks::task_catalogue>();
  }
  ~admission_of_addresses() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// Why a run against this address is not admitted; there is no task, so that none is.
  fault refusal_of(const std::string& base_url) {
    run_request request;
    request.model_kind = "openai-chat-completions";
    request.model_args = "model=x,base_url=" + base_url;
    request.tasks = {task_id{"none"}};
    return make_admission(config)(request).error();
  }

  admission_config config;

private:
  std::filesystem::path folder_;
};

TEST_F(admission_of_addresses, AsksTheCheckAboutAddressesThatAreNotConfigured) {
  std::vector<std::string> asked;
  config.check_endpoint = [&](const std::string& base_url) -> result<void> {
    asked.push_back(base_url);
    return fault{errc::forbidden, "10.0.0.7 is a private address", {}, "ask the operator"};
  };
  const auto refused = refusal_of("http://10.0.0.7/v1");
  EXPECT_EQ(refused.code, errc::forbidden);
  EXPECT_EQ(refused.message, "10.0.0.7 is a private address");
  EXPECT_EQ(refused.where, "model_args.base_url");
  EXPECT_EQ(asked, std::vector<std::string>{"http://10.0.0.7/v1"});

  EXPECT_NE(refusal_of("https://api.openai.com/v1").where, "model_args.base_url") << "configured";
  EXPECT_EQ(asked.size(), 1U);
}

TEST_F(admission_of_addresses, TakesNoAddressThatNoProviderServes) {
  config.check_endpoint = [](const std::string&) -> result<void> { return {}; };
  const auto refused = refusal_of("https://llm.example/v1");
  EXPECT_EQ(refused.code, errc::unsupported);
  EXPECT_EQ(refused.where, "model_args.base_url");
}

TEST_F(admission_of_addresses, LetsTheOwnerOfTheMachineNameAny) {
  EXPECT_EQ(refusal_of("http://10.0.0.7/v1").where, "task_ids[0]");
}

} // namespace
} // namespace assay::test
