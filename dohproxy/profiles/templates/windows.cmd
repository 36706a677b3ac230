@echo off
rem DNS over HTTPS by {host}, for Windows 11. Run it as administrator.

{commands}

echo.
echo Windows knows {host} now. Have it asked:
echo   Settings, Network and internet, Wi-Fi or Ethernet, Hardware properties,
echo   DNS server assignment, Edit, Manual.
{fields}
echo   DNS over HTTPS: On (automatic template). Fallback to plaintext: Off.
pause
