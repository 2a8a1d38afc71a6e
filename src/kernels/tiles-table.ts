// biome-ignore-all format: written by `syngrad tune`, whose next run reads it as JSON
// For each device, what the fused kernels of a schedule were fastest with, and when and how that was measured.
export const tilesTable = {
  "devices": [
    {
      "name": "llvmpipe (LLVM 15.0.6, 256 bits)",
      "vendor": "mesa",
      "architecture": "software",
      "entries": [
        {
          "schedule": "bp fused",
          "layers": 4,
          "batch": 256,
          "hidden": 256,
          "tiles": {
            "layers": {
              "PILES": 8
            }
          },
          "measured": {
            "date": "2026-11-28T07:04:37.918Z",
            "commit": "14e0794f693e18f11a960cacc704fe1d3ff46617",
            "driver": "llvmpipe: Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1",
            "dawn": "0.6.2",
            "ratio": {
              "median": 1,
              "p10": 1,
              "p90": 1,
              "repeats": 0
            },
            "stepsPerSecond": 46.76554310945594,
            "tried": 24
          }
        },
        {
          "schedule": "delayed wave",
          "layers": 4,
          "batch": 256,
          "hidden": 256,
          "tiles": {
            "layers": {
              "PILES": 8
            }
          },
          "measured": {
            "date": "2026-11-28T07:05:29.216Z",
            "commit": "14e0794f693e18f11a960cacc704fe1d3ff46617",
            "driver": "llvmpipe: Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1",
            "dawn": "0.6.2",
            "ratio": {
              "median": 1,
              "p10": 1,
              "p90": 1,
              "repeats": 0
            },
            "stepsPerSecond": 64.61886851682877,
            "tried": 5
          }
        },
        {
          "schedule": "wave",
          "layers": 4,
          "batch": 256,
          "hidden": 256,
          "tiles": {
            "layers": {
              "PILES": 8
            }
          },
          "measured": {
            "date": "2026-11-28T07:05:08.112Z",
            "commit": "14e0794f693e18f11a960cacc704fe1d3ff46617",
            "driver": "llvmpipe: Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6) 0.0.1",
            "dawn": "0.6.2",
            "ratio": {
              "median": 1,
              "p10": 1,
              "p90": 1,
              "repeats": 0
            },
            "stepsPerSecond": 27.413500530023935,
            "tried": 8
          }
        }
      ]
    }
  ]
};
