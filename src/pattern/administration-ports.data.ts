// Ports through which machines are administered: a new peer there is never one of many.

/** IANA service names ssh, telnet, microsoft-ds, ms-wbt-server, wsman, wsmans, rfb. */
export const administrationPorts: ReadonlySet<number> = new Set([22, 23, 445, 3389, 5985, 5986, 5900]);
