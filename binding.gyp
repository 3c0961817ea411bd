{
  "variables": {
    "kernels": [
      "native/kernels/bytes_tensor.cc",
      "native/kernels/detections.cc",
      "native/kernels/half_float.cc",
      "native/kernels/head_table.cc",
      "native/kernels/image_header.cc",
      "native/kernels/image_jpeg.cc",
      "native/kernels/image_png.cc",
      "native/kernels/image_spec.cc",
      "native/kernels/image_tensor.cc",
      "native/kernels/image_vp8l.cc",
      "native/kernels/image_webp.cc",
      "native/kernels/json_lift.cc",
      "native/kernels/json_lift_elements.cc",
      "native/kernels/number_text.cc",
      "native/kernels/pixel_lanes.cc",
      "native/kernels/pixel_lanes_avx2.cc",
      "native/kernels/resample.cc",
      "native/kernels/resample_axis.cc",
      "native/kernels/scores.cc",
      "native/kernels/utf8.cc"
    ],
    "watchers": ["native/process/crash_marks.cc", "native/process/parent_watch.cc"]
  },
  "target_defaults": {
    "cflags": ["-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fvisibility=hidden"],
    "cflags_cc": ["-std=c++20"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "MACOSX_DEPLOYMENT_TARGET": "13.3",
      "GCC_OPTIMIZATION_LEVEL": "3",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "OTHER_CFLAGS": ["-ffp-contract=off"],
      "WARNING_CFLAGS": ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    }
  },
  "targets": [
    {
      "target_name": "penstock",
      "sources": [
        "native/addon.cc",
        "native/calls/image.cc",
        "native/calls/image_header.cc",
        "native/calls/lift.cc",
        "native/calls/memory.cc",
        "native/calls/process.cc",
        "native/calls/scores.cc",
        "native/calls/text.cc",
        "<@(kernels)",
        "<@(watchers)"
      ],
      "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except"],
      "defines": ["NAPI_VERSION=8"],
      "include_dirs": ["native"]
    },
    {
      "target_name": "penstock_native_test",
      "type": "executable",
      "sources": ["native/test/images_test.cc", "native/test/kernels_test.cc", "<@(kernels)", "<@(watchers)"]
    }
  ]
}
